//! Every layout and every codec, on fixtures that lie in the repository or are made on the spot.

use crate::common::{CAMERA, STORED, fixture, grey, levels, open, options, record, write_dataset, write_dataset_v21};
use vipra_data::check::check;
use vipra_data::convert::{ConvertOptions, Converted, convert};
use vipra_data::source::{ONLY_CAMERA, fingerprint};
use vipra_data::video::{VideoCodec, VideoDecoder, VideoEncoder, VideoOptions};
use vipra_data::writer::DatasetWriter;
use vipra_data::{DType, Frame, Layout, OnError, OpenOptions, Source};

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
        if !codec.is_available() {
            crate::common::say_skipped(&format!("this FFmpeg cannot write {}", codec.name()));
            continue;
        }
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

/// Frames at 0, 0.1, 0.4, 0.45, 1.45 and 1.47 s with levels 0, 40, … 200.
#[test]
fn the_nearest_frame_is_found_at_a_variable_rate_whatever_was_asked_before() {
    let times = [0.0, 0.1, 0.4, 0.45, 1.45, 1.47];
    let path = fixture("variable/steps.gif");
    let nearest = |wanted: f64| {
        let distance = |frame: &usize| ((times[*frame] - wanted).abs() * 1e6).round() as u64;
        (0..times.len()).min_by_key(distance).unwrap()
    };
    let mut decoder = VideoDecoder::open(&path).unwrap();
    let forth: Vec<f64> = (0..=14).map(|tenth| f64::from(tenth) / 10.0).collect();
    let back: Vec<f64> = forth.iter().rev().copied().collect();
    for wanted in [forth, back, vec![0.5, 0.1, 1.3, 0.41, 1.4, 0.42]] {
        decoder
            .frames_at(&wanted, |nth, secs, frame| {
                let expected = nearest(wanted[nth]);
                assert!((secs - times[expected]).abs() < 1e-6, "at {}: {secs}, not {}", wanted[nth], times[expected]);
                assert!(frame.pixel(3, 3)[0].abs_diff(40 * expected as u8) < 3);
                Ok(())
            })
            .unwrap();
    }
}

/// SVT-AV1's encoders share a variable of the process: this ended with a segmentation fault now and then.
#[test]
fn threads_encode_beside_each_other() {
    if !VideoCodec::Av1.is_available() {
        return crate::common::say_skipped("this FFmpeg cannot write av1");
    }
    let folder = tempfile::tempdir().unwrap();
    let encode = &|thread: usize| {
        for nth in 0..4 {
            let path = folder.path().join(format!("{thread}-{nth}.mp4"));
            let options = VideoOptions { codec: VideoCodec::Av1, gop: 2, crf: 30 };
            let mut encoder = VideoEncoder::create(&path, 64, 64, 10, options).unwrap();
            (0..3).for_each(|_| encoder.push(&Frame::new(64, 64)).unwrap());
            encoder.finish().unwrap();
            assert_eq!(VideoDecoder::open(&path).unwrap().info().frames, 3);
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || encode(thread)))));
}

#[test]
fn a_video_that_was_cut_off_is_not_filled_up() {
    // Faststart: the header is whole and promises 40 frames.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.mp4");
    let options = VideoOptions { codec: VideoCodec::H264, gop: 1, crf: 1 };
    let mut encoder = VideoEncoder::create(&path, 64, 64, 10, options).unwrap();
    for frame in 0..40_u8 {
        let noise = (0..64 * 64 * 3).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (frame * 5));
        encoder.push(&Frame::from_pixels(64, 64, noise.collect()).unwrap()).unwrap();
    }
    encoder.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let report = check(folder.path(), &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert!(report.frames < 40, "{report:?}");
}

#[test]
fn a_dataset_inside_and_hidden_files_are_not_taken_for_episodes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("videos/vp9.webm"), folder.path().join("a.webm")).unwrap();
    std::fs::write(folder.path().join("._a.mp4"), "not a video").unwrap();
    assert_eq!(open(folder.path()).episodes().len(), 1);
    write_dataset(&folder.path().join("set"), &[3]);
    let error = crate::common::open_error(folder.path());
    assert!(error.contains("inside it is") && error.contains("set"), "{error}");
}

#[test]
fn videos_and_frames_in_one_folder_are_not_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let put = |name: &str| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::common::solid(4, 4, 9).save_png(&path).unwrap();
    };
    let layout = || Layout::detect(root).map_err(|error| error.to_string());
    (0..3).for_each(|frame| put(&format!("episode_000/{frame}.png")));
    assert_eq!(layout(), Ok(Layout::FrameFolder));
    std::fs::copy(fixture("videos/palette.gif"), root.join("preview.gif")).unwrap();
    let error = layout().unwrap_err();
    for part in ["both videos (preview.gif) and frames (episode_000/0.png)", "name the folder", "move `episode_000`"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(Layout::detect(&root.join("episode_000")).unwrap(), Layout::FrameFolder);
    assert_eq!(Layout::detect(&root.join("preview.gif")).unwrap(), Layout::VideoFolder);
    assert!(check(root, &OpenOptions::default(), 1, &|_, _| {}).is_err());

    // Pictures of the videos themselves, and some that are no sequence.
    std::fs::remove_dir_all(root.join("episode_000")).unwrap();
    std::fs::copy(fixture("videos/vp9.webm"), root.join("other.webm")).unwrap();
    ["preview.png", "other.png", "cover.png", "docs/sheet.png", "docs/robot.png"].into_iter().for_each(put);
    ["thumbnails/preview.png", "thumbnails/other.png"].into_iter().for_each(put);
    assert_eq!(layout(), Ok(Layout::VideoFolder));
}

#[test]
fn an_instruction_has_no_mark_before_its_first_letter() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("videos/vp9.webm"), folder.path().join("a.webm")).unwrap();
    std::fs::write(folder.path().join("a.txt"), "\u{feff}open the drawer\r\n").unwrap();
    assert_eq!(open(folder.path()).episodes()[0].instruction(), Some("open the drawer"));
}

#[test]
fn pictures_are_in_the_order_that_people_count() {
    let folder = tempfile::tempdir().unwrap();
    for frame in 0..12 {
        let path = folder.path().join(format!("frame_{frame}.png"));
        crate::common::solid(4, 4, 10 * frame).save_png(&path).unwrap();
    }
    let options = OpenOptions { fps: Some(1.0), ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    let found = levels(source.as_ref(), 0, ONLY_CAMERA);
    assert!(found.iter().enumerate().all(|(frame, &level)| level == 10.0 * frame as f64), "{found:?}");
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
fn videos_that_are_not_exactly_their_episode_are_encoded_again() {
    let folder = tempfile::tempdir().unwrap();
    write_dataset_v21(folder.path(), &[7, 5, 6]);
    // A longer video, and one of another encoder with the same codec and size.
    let video = |episode: usize| folder.path().join(format!("videos/chunk-000/{CAMERA}/episode_{episode:06}.mp4"));
    let encode = |episode: usize, frames: usize, gop: u32| {
        let options = VideoOptions { codec: VideoCodec::H264, gop, crf: 4 };
        let mut encoder = VideoEncoder::create(&video(episode), 64, 48, 10, options).unwrap();
        (0..frames).for_each(|frame| encoder.push(&crate::common::solid(64, 48, grey(episode, frame))).unwrap());
        encoder.finish().unwrap();
    };
    encode(1, 9, 2);
    encode(2, 6, 30);
    let source = open(folder.path());
    let (_kept, result) = converted(source.as_ref(), &ConvertOptions::default());
    for (episode, length) in [7, 5, 6].into_iter().enumerate() {
        let found = levels(result.as_ref(), episode, CAMERA);
        assert_eq!(found.len(), length);
        let close = |(frame, level): (usize, &f64)| (level - f64::from(grey(episode, frame))).abs() <= 3.0;
        assert!(found.iter().enumerate().all(close), "{episode}: {found:?}");
    }
}

#[test]
fn converting_again_says_that_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (root, target) = (folder.path().join("set"), folder.path().join("out"));
    write_dataset_v21(&root, &[3]);
    let run =
        |options: &ConvertOptions, target: &std::path::Path| convert(open(&root).as_ref(), target, options, &|_, _| {});
    let options = ConvertOptions::default();
    let written = Converted { episodes: 1, was_complete: false, skipped: Vec::new() };
    assert_eq!(run(&options, &target).unwrap(), written);
    // Killed right after the finished dataset took its place: the recording still lies beside it.
    let replaced = folder.path().join(".out.finishing");
    std::fs::create_dir(&replaced).unwrap();
    assert_eq!(run(&options, &target).unwrap(), Converted { was_complete: true, ..written });
    assert!(!replaced.exists());
    let other = ConvertOptions { images: true, ..Default::default() };
    assert!(run(&other, &target).unwrap_err().to_string().contains("a finished dataset lies here"));
    assert!(run(&options, &root.join("out")).unwrap_err().to_string().contains("inside of the source"));
}

fn video_of(root: &std::path::Path, episode: usize) -> std::path::PathBuf {
    root.join(format!("videos/chunk-000/{CAMERA}/episode_{episode:06}.mp4"))
}

#[test]
fn episodes_that_cannot_be_read_stop_a_conversion_or_are_skipped_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (root, target, short) = (folder.path().join("set"), folder.path().join("out"), folder.path().join("short"));
    write_dataset_v21(&root, &[7, 5, 6, 4, 3]);
    std::fs::remove_file(video_of(&root, 0)).unwrap();
    // Two of its frames can be read.
    write_dataset_v21(&short, &[2]);
    std::fs::copy(video_of(&short, 0), video_of(&root, 2)).unwrap();
    std::fs::write(root.join("data/chunk-000/episode_000003.parquet"), "no rows").unwrap();

    let source = open(&root);
    let run = |on_error| {
        let options = ConvertOptions { on_error, ..Default::default() };
        convert(source.as_ref(), &target, &options, &|_, _| {})
    };
    assert_eq!(run(OnError::Stop).unwrap_err().episode(), Some(0));
    let written = run(OnError::Skip).unwrap();
    assert_eq!((written.episodes, written.was_complete), (2, false));
    let skipped: Vec<&str> = written.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
    assert_eq!(skipped, ["episode 0", "episode 2", "episode 3"]);
    for (skipped, path) in written.skipped.iter().zip(["000000.mp4", "000002.mp4", "000003.parquet"]) {
        assert!(skipped.reason.contains(path), "{skipped:?}");
    }
    assert_eq!(run(OnError::Skip).unwrap(), Converted { was_complete: true, ..written });

    let report = check(&target, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    let result = open(&target);
    for (at, (episode, length)) in [(1, 5), (4, 3)].into_iter().enumerate() {
        let expected = crate::common::rows(episode, length);
        assert_eq!(result.rows(at).unwrap().columns["matrix"], expected.columns["matrix"]);
        assert_eq!(levels(result.as_ref(), at, CAMERA), levels(source.as_ref(), episode, CAMERA));
    }
}

#[test]
fn a_conversion_that_skipped_something_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (root, target) = (folder.path().join("set"), folder.path().join("out"));
    write_dataset_v21(&root, &[7, 5, 6, 4]);
    std::fs::remove_file(video_of(&root, 1)).unwrap();
    let source = open(&root);
    let options = ConvertOptions { on_error: OnError::Skip, ..Default::default() };
    let run = |progress: &(dyn Fn(usize, usize) + Sync)| convert(source.as_ref(), &target, &options, progress);
    let dies = |done: usize, _: usize| assert!(done < 3, "as if it were killed");
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&dies))).is_err());
    assert_eq!(open(&target).episodes().len(), 2);
    let finished = run(&|done: usize, _: usize| assert!(done >= 3, "nothing is done twice")).unwrap();
    assert_eq!((finished.episodes, finished.skipped.len()), (3, 1));
    let lengths: Vec<usize> = open(&target).episodes().iter().map(|episode| episode.length).collect();
    assert_eq!(lengths, [7, 6, 4]);
}

#[test]
fn a_video_of_another_size_stops_a_conversion_or_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let (root, target) = (folder.path().join("videos"), folder.path().join("out"));
    std::fs::create_dir(&root).unwrap();
    for (name, height) in [("a.mp4", 48), ("b.mp4", 64), ("c.mp4", 48)] {
        let options = VideoOptions { codec: VideoCodec::H264, gop: 2, crf: 10 };
        let mut encoder = VideoEncoder::create(&root.join(name), 64, height, 10, options).unwrap();
        (0..3).for_each(|_| encoder.push(&Frame::new(64, height)).unwrap());
        encoder.finish().unwrap();
    }
    let run = |on_error| {
        let source = vipra_data::open(&root, &OpenOptions { fps: Some(10.0), ..OpenOptions::default() }).unwrap();
        let options = ConvertOptions { on_error, images: true, ..Default::default() };
        convert(source.as_ref(), &target, &options, &|_, _| {})
    };
    assert_eq!(run(OnError::Stop).unwrap_err().episode(), Some(1));
    let written = run(OnError::Skip).unwrap();
    assert_eq!((written.episodes, written.skipped.len()), (2, 1));
    assert_eq!(written.skipped[0].what, "episode b.mp4");
    let reason = &written.skipped[0].reason;
    assert!(["64×64", "64×48", "b.mp4"].iter().all(|part| reason.contains(part)), "{reason}");
    assert_eq!(open(&target).episodes().len(), 2);
}

#[test]
fn a_conversion_of_nothing_but_broken_episodes_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset_v21(&root, &[3, 4]);
    (0..2).for_each(|episode| std::fs::remove_file(video_of(&root, episode)).unwrap());
    let options = ConvertOptions { on_error: OnError::Skip, ..Default::default() };
    let error = convert(open(&root).as_ref(), &folder.path().join("out"), &options, &|_, _| {}).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("none of the 2 episodes can be read") && message.contains("000000.mp4"), "{message}");
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
fn videos_at_another_rate_are_another_dataset() {
    let at = |fps: Option<f64>| {
        let options = OpenOptions { fps, ..OpenOptions::default() };
        fingerprint(vipra_data::open(&fixture("videos"), &options).unwrap().as_ref()).unwrap()
    };
    assert_eq!(at(Some(5.0)), at(Some(5.0)));
    assert!(at(None) != at(Some(5.0)) && at(Some(5.0)) != at(Some(2.5)));
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
