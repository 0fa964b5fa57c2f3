//! Broken folders of videos and frames, and loaders of clips that cannot be read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::broken::{broken, expect, video, video_of};
use crate::common::{CAMERA, levels_at, open_error};
use vipra_data::clip::{ClipDataset, ClipLoader, LoaderState};
use vipra_data::source::ONLY_CAMERA;
use vipra_data::{DataConfig, Error, OnError, OpenOptions, SourceConfig};

#[test]
fn folders_that_are_no_dataset() {
    let folder = tempfile::tempdir().unwrap();
    expect(&open_error(folder.path()), &["neither a LeRobot dataset"]);
    expect(&open_error(&folder.path().join("nothing")), &["nothing"]);
    fs::create_dir(folder.path().join("meta_data")).unwrap();
    expect(&open_error(folder.path()), &["v1", "not supported"]);
}

/// The header of a PNG of 40000×40000 pixels, and no pixels.
fn huge_png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    for side in [40000_u32, 40000] {
        bytes.extend(side.to_be_bytes());
    }
    bytes.extend([8, 2, 0, 0, 0]);
    let mut crc = !0_u32;
    for byte in &bytes[12..] {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 });
    }
    bytes.extend((!crc).to_be_bytes());
    bytes.extend([0, 0, 0, 0, b'I', b'D', b'A', b'T', 0, 0, 0, 0]);
    bytes
}

#[test]
fn a_huge_picture_is_refused_by_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("episode");
    fs::create_dir(&pictures).unwrap();
    crate::common::solid(8, 8, 9).save_png(&pictures.join("0000.png")).unwrap();
    fs::write(pictures.join("0001.png"), huge_png()).unwrap();
    let options = OpenOptions { fps: Some(5.0), ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    let error = levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.0, 0.2]).unwrap_err();
    expect(&error.to_string(), &["episode 0", "40000×40000", "0001.png"]);
}

#[test]
fn broken_videos_in_a_folder_stop_or_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(crate::common::fixture("videos/vp9.webm"), folder.path().join("a.webm")).unwrap();
    fs::write(folder.path().join("b.mp4"), b"not a video").unwrap();
    expect(&open_error(folder.path()), &["episode 1", "b.mp4"]);
    let options = OpenOptions { on_error: OnError::Skip, ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    assert_eq!(source.episodes().len(), 1);
    expect(&source.description().skipped[0].what, &["b.mp4"]);
}

/// Two folders of two frames each.
fn frame_folders() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for episode in ["a", "b"] {
        fs::create_dir(folder.path().join(episode)).unwrap();
        for frame in 0..2 {
            let path = folder.path().join(format!("{episode}/{frame}.png"));
            crate::common::solid(8, 6, 40 * frame).save_png(&path).unwrap();
        }
    }
    folder
}

#[test]
fn a_damaged_picture_is_a_fault_of_its_frame() {
    let folder = frame_folders();
    fs::write(folder.path().join("a/0.png"), "no picture").unwrap();
    let options = OpenOptions { fps: Some(5.0), ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    assert_eq!(source.description().features[ONLY_CAMERA].picture_size(), Some((8, 6)));
    assert_eq!(levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.2]).unwrap(), [40.0]);
    let error = levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.0]).unwrap_err();
    expect(&error.to_string(), &["episode 0", "a/0.png"]);
}

#[test]
fn frame_folders_without_a_picture_that_can_be_read_stop_or_are_listed() {
    let folder = frame_folders();
    (0..2).for_each(|frame| fs::write(folder.path().join(format!("a/{frame}.png")), "no picture").unwrap());
    let with = |on_error| {
        let options = OpenOptions { fps: Some(5.0), on_error, ..OpenOptions::default() };
        vipra_data::open(folder.path(), &options)
    };
    let error = with(OnError::Stop).err().unwrap();
    expect(&error.to_string(), &["episode 0", "a/0.png"]);
    let source = with(OnError::Skip).unwrap();
    assert_eq!((source.episodes().len(), source.episodes()[0].name.as_str()), (1, "b"));
    assert_eq!(source.description().features[ONLY_CAMERA].picture_size(), Some((8, 6)));
    let skipped = &source.description().skipped;
    assert!(skipped.len() == 1 && skipped[0].what.ends_with("/a") && skipped[0].reason.contains("a/0.png"));
    assert_eq!(levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.2]).unwrap(), [40.0]);
}

fn loader(root: &Path, on_error: OnError, skip_limit: usize) -> ClipLoader {
    let mut config = DataConfig { sources: vec![SourceConfig::new(root)], on_error, skip_limit, ..Default::default() };
    config.clip.frames = 3;
    config.clip.interval_secs = 0.1;
    config.sources[0].camera = Some(CAMERA.into());
    let dataset = ClipDataset::open(config, &|_, _| {}).unwrap();
    ClipLoader::start(Arc::new(dataset), LoaderState::default()).unwrap()
}

#[test]
fn broken_clips_stop_or_are_counted_up_to_a_limit() {
    let broken = broken(|root| fs::remove_file(root.join(video())).unwrap());
    let mut stopping = loader(&broken.root, OnError::Stop, 0);
    let error = (0..20).find_map(|_| stopping.next_clip().err()).unwrap();
    assert_eq!(error.episode(), Some(1));

    let mut skipping = loader(&broken.root, OnError::Skip, 100);
    for _ in 0..20 {
        assert_ne!(skipping.next_clip().unwrap().address.episode, 1);
    }
    assert!(!skipping.skipped().is_empty());
    expect(&skipping.skipped()[0].reason, &["episode 1", "episode_000001.mp4"]);
    // One broken episode is one entry, however many clips it would have given.
    assert!(skipping.skipped().len() == 1 && skipping.skipped_clips() > 1);

    let mut limited = loader(&broken.root, OnError::Skip, 0);
    let error = (0..40).find_map(|_| limited.next_clip().err()).unwrap();
    assert!(matches!(error, Error::Invalid(_)));
    expect(&error.to_string(), &["more than 0 episodes", "skip_limit", "episode_000001.mp4"]);
}

#[test]
fn a_loader_gives_up_once_no_clip_of_an_epoch_can_be_read() {
    let without_videos = |episodes: &[usize]| {
        broken(|root| episodes.iter().for_each(|&episode| fs::remove_file(root.join(video_of(episode))).unwrap()))
    };
    let none_left = without_videos(&[0, 1, 2]);
    let error = loader(&none_left.root, OnError::Skip, 100).next_clip().unwrap_err().to_string();
    expect(&error, &["no clip of a whole epoch", "episode_000000.mp4", "episode_000001.mp4", "episode_000002.mp4"]);

    let one_left = without_videos(&[0, 1]);
    let mut skipping = loader(&one_left.root, OnError::Skip, 100);
    assert!((0..60).all(|_| skipping.next_clip().unwrap().address.episode == 2));
}
