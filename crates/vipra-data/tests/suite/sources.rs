//! Every layout and every codec, on fixtures that lie in the repository or are made on the spot.

use crate::common::{CAMERA, STORED, fixture, grey, levels, open, options, record, write_dataset, write_dataset_v21};
use vipra_data::check::check;
use vipra_data::convert::{ConvertOptions, convert};
use vipra_data::source::{ONLY_CAMERA, fingerprint};
use vipra_data::video::{VideoCodec, VideoDecoder, VideoEncoder, VideoOptions};
use vipra_data::writer::DatasetWriter;
use vipra_data::{DType, Frame, Layout, OpenOptions, Source};

/// Half a second each of red, green and blue at 10 frames a second, in every container.
#[test]
fn every_codec_and_container_is_read_at_any_time() {
    let source = open(&fixture("videos"));
    let names: Vec<&str> = source.episodes().iter().map(|episode| episode.name.as_str()).collect();
    assert_eq!(names, ["av1.mp4", "h264_b_frames.mp4", "hevc.mkv", "mpeg4.avi", "palette.gif", "vp9.webm"]);
    let mut decoders = vipra_data::video::DecoderPool::new(2);
    for (at, episode) in source.episodes().iter().enumerate() {
        assert_eq!((episode.length, episode.fps), (15, 10.0), "{}", episode.name);
        for order in [vec![0, 4, 5, 9, 10, 14], vec![14, 0, 7], vec![12, 11, 3, 3, 2], (0..15).collect()] {
            let times: Vec<f64> = order.iter().map(|&frame| f64::from(frame) / 10.0).collect();
            let take = &mut |nth: usize, frame: &Frame| {
                let strongest = frame.pixel(20, 20).iter().enumerate().max_by_key(|(_, level)| **level).unwrap().0;
                assert_eq!(strongest, order[nth] as usize / 5, "{} frame {}", episode.name, order[nth]);
                Ok(())
            };
            source.frames(at, ONLY_CAMERA, &times, &mut decoders, take).unwrap();
        }
    }
    assert_eq!(decoders.open_count(), 2);
}

#[test]
fn colours_are_not_swapped() {
    let folder = tempfile::tempdir().unwrap();
    for codec in [VideoCodec::Av1, VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Vp9] {
        let path = folder.path().join("orange.mp4");
        let orange = Frame::from_pixels(64, 64, [230, 120, 20].repeat(64 * 64)).unwrap();
        let mut encoder = VideoEncoder::create(&path, 64, 64, 30, VideoOptions { codec, gop: 4, crf: 10 }).unwrap();
        (0..9).for_each(|_| encoder.push(&orange).unwrap());
        encoder.finish().unwrap();
        let mut decoder = VideoDecoder::open(&path).unwrap();
        assert_eq!((decoder.info().codec.as_str(), decoder.info().frames), (codec.name(), 9));
        let mut seen = 0;
        decoder
            .frames_at(&[0.0, 8.0 / 30.0], |_, _, frame| {
                let found = frame.pixel(30, 30);
                assert!(found.iter().zip([230, 120, 20]).all(|(a, b)| a.abs_diff(b) <= 4), "{codec:?} {found:?}");
                seen += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, 2);
    }
}

#[test]
fn version_21_holds_the_same_as_version_30() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    write_dataset_v21(&old, &[7, 5, 6]);
    write_dataset(&new, &[7, 5, 6]);
    let (old, new) = (open(&old), open(&new));
    assert_eq!(old.description().layout, Layout::LerobotV21);
    assert_eq!(old.episodes(), new.episodes());
    assert_eq!(old.description().tasks, new.description().tasks);
    for episode in 0..3 {
        assert_eq!(old.rows(episode).unwrap(), new.rows(episode).unwrap());
        assert_eq!(levels(old.as_ref(), episode, CAMERA), levels(new.as_ref(), episode, CAMERA));
        assert_eq!(levels(old.as_ref(), episode, STORED), levels(new.as_ref(), episode, STORED));
    }
}

#[test]
fn a_rate_that_is_a_float_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    write_dataset_v21(folder.path(), &[3]);
    let report = check(folder.path(), &OpenOptions::default(), 2, &|_, _| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn rows_are_found_where_metadata_names_the_wrong_file() {
    // The error of published converters: the file number of a boundary episode is one too low.
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let mut small = options();
    (small.data_file_size_mb, small.video_file_size_mb) = (0, 100);
    let mut writer = DatasetWriter::create(&root, small).unwrap();
    (0..3).for_each(|episode| record(&mut writer, episode, 4).unwrap());
    writer.finish(&[]).unwrap();
    let file = |number: usize| root.join(format!("data/chunk-000/file-{number:03}.parquet"));
    std::fs::rename(file(1), root.join("swap")).unwrap();
    std::fs::rename(file(2), file(1)).unwrap();
    std::fs::rename(root.join("swap"), file(2)).unwrap();
    let source = open(&root);
    for episode in 0..3 {
        assert_eq!(source.rows(episode).unwrap().columns["matrix"], crate::common::rows(episode, 4).columns["matrix"]);
    }
}

#[test]
fn frame_folders_need_a_rate_and_then_are_episodes() {
    let folder = tempfile::tempdir().unwrap();
    for (episode, length) in [("episode_000/images", 4), ("episode_001/images", 3)] {
        let pictures = folder.path().join(episode);
        std::fs::create_dir_all(&pictures).unwrap();
        for frame in 0..length {
            crate::common::solid(20, 10, grey(0, frame)).save_png(&pictures.join(format!("{frame:04}.png"))).unwrap();
        }
    }
    std::fs::write(folder.path().join("episode_001/task_description.txt"), "open the drawer\n").unwrap();
    assert!(crate::common::open_error(folder.path()).contains("--fps"));

    let options = OpenOptions { fps: Some(4.0), ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    assert_eq!(source.description().layout, Layout::FrameFolder);
    assert_eq!(source.episodes()[0].length, 4);
    assert_eq!(source.episodes()[1].instruction(), Some("open the drawer"));
    assert_eq!(source.description().features[ONLY_CAMERA].picture_size(), Some((20, 10)));
    assert_eq!(levels(source.as_ref(), 1, ONLY_CAMERA), [20.0, 25.0, 30.0]);
    assert_eq!(source.rows(0).unwrap().columns.len(), 0);
    let at = crate::common::levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.3, 0.7]).unwrap();
    assert_eq!(at, [25.0, 35.0]);
}

fn converted(source: &dyn Source, options: &ConvertOptions) -> (tempfile::TempDir, Box<dyn Source>) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    convert(source, &root, options, &|_, _| {}).unwrap();
    let report = check(&root, &OpenOptions::default(), 2, &|_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    (folder, open(&root))
}

#[test]
fn converting_keeps_every_value() {
    let folder = tempfile::tempdir().unwrap();
    write_dataset_v21(folder.path(), &[7, 5, 6]);
    let source = open(folder.path());
    let (_kept, result) = converted(source.as_ref(), &ConvertOptions::default());
    assert_eq!(result.description().layout, Layout::LerobotV30);
    for episode in 0..3 {
        assert_eq!(source.rows(episode).unwrap(), result.rows(episode).unwrap());
        // Videos of v2.1 are taken over without encoding them again.
        assert_eq!(levels(source.as_ref(), episode, CAMERA), levels(result.as_ref(), episode, CAMERA));
        assert_eq!(levels(source.as_ref(), episode, STORED), levels(result.as_ref(), episode, STORED));
    }
    assert_eq!(source.episodes(), result.episodes());
}

#[test]
fn a_split_without_actions_as_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let mut writer = DatasetWriter::create(&root, options()).unwrap();
    (0..3).for_each(|episode| record(&mut writer, episode, 4).unwrap());
    writer.finish(&[("train".into(), 0..1), ("val".into(), 1..3)]).unwrap();
    let source = open(&root);
    let options =
        ConvertOptions { split: Some("val".into()), without_actions: true, images: true, ..Default::default() };
    let (_kept, result) = converted(source.as_ref(), &options);
    assert_eq!(result.episodes().len(), 2);
    assert_eq!(
        result.description().splits.iter().map(|(name, range)| (name.as_str(), range.clone())).collect::<Vec<_>>(),
        [("val", 0..2)]
    );
    assert!(!result.description().features.contains_key("action"));
    assert!(result.description().features.values().all(|feature| feature.dtype != DType::Video));
    assert_eq!(result.episodes()[0].instruction(), Some("stack the green block"));
    assert_eq!(levels(source.as_ref(), 1, CAMERA), levels(result.as_ref(), 0, CAMERA));
}

#[test]
fn loose_videos_are_resampled_to_one_rate() {
    let source = open(&fixture("videos"));
    let options = ConvertOptions { fps: Some(5), images: true, ..Default::default() };
    let (_kept, result) = converted(source.as_ref(), &options);
    assert!(result.episodes().iter().all(|episode| (episode.length, episode.fps) == (8, 5.0)));
    let first = levels(result.as_ref(), 1, ONLY_CAMERA);
    assert!((first[0] - 85.0).abs() < 3.0 && (first[7] - 85.0).abs() < 3.0, "{first:?}");
}

#[test]
fn rows_are_not_resampled() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[4]);
    let options = ConvertOptions { fps: Some(5), ..Default::default() };
    let error = convert(open(&root).as_ref(), &folder.path().join("out"), &options, &|_, _| {}).unwrap_err();
    assert!(error.to_string().contains("resampled"), "{error}");
}

#[test]
fn a_fingerprint_changes_with_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[4]);
    let before = fingerprint(open(&root).as_ref()).unwrap();
    assert_eq!(before, fingerprint(open(&root).as_ref()).unwrap());
    crate::common::edit_info(&root, |info| info["robot_type"] = "other".into());
    assert_ne!(before, fingerprint(open(&root).as_ref()).unwrap());
}
