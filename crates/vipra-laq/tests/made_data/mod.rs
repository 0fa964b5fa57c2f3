//! Made videos for tests: a bright square wanders over a grey ground, and its steps are the actions.

#![allow(dead_code, reason = "each test crate that includes this file uses a part of it")]

use std::path::{Path, PathBuf};

use vipra_data::video::{VideoCodec, VideoOptions};
use vipra_data::writer::{DatasetWriter, WriterOptions};
use vipra_data::{DType, Feature, Features, Frame, Rows, SourceConfig, Values};

pub(crate) const CAMERA: &str = "observation.images.front";
const SIDE: usize = 64;
const SQUARE: usize = 16;

/// A LeRobot dataset of `lengths.len()` episodes at 5 frames a second; the last one is the split `val`.
pub(crate) fn wandering_squares(folder: &Path, lengths: &[usize]) -> PathBuf {
    let root = folder.join("squares");
    let features = Features::from([
        (CAMERA.to_owned(), Feature::camera(DType::Video, SIDE, SIDE)),
        ("action".to_owned(), Feature::numeric(DType::Float32, &["dx", "dy", "still"])),
    ]);
    let mut options = WriterOptions::new(5, features);
    options.video = VideoOptions { codec: VideoCodec::H264, ..VideoOptions::default() };
    let mut writer = DatasetWriter::create(&root, options).unwrap();
    for (number, length) in lengths.iter().enumerate() {
        let mut recording = writer.begin_episode(if number % 2 == 0 { "wander" } else { "roam" }).unwrap();
        let (mut x, mut y) = (8 + number as i32 * 5 % 32, 20_i32);
        let mut actions = Vec::new();
        for step in 0..*length {
            recording.push(CAMERA, &picture(x as usize, y as usize)).unwrap();
            let turn = (step / 3 + number) % 4;
            let (dx, dy) = [(4, 0), (0, 4), (-4, 0), (0, -4)][turn];
            (x, y) = ((x + dx).clamp(0, 48), (y + dy).clamp(0, 48));
            actions.extend([dx as f32, dy as f32, 1.0]);
        }
        let mut rows = Rows { length: *length, ..Rows::default() };
        rows.insert("action", 3, Values::F32(actions)).unwrap();
        recording.finish(&rows).unwrap();
    }
    let last = lengths.len() - 1;
    writer.finish(&[("train".into(), 0..last), ("val".into(), last..lengths.len())]).unwrap();
    root
}

/// The video files of a dataset.
pub(crate) fn videos_of(root: &Path) -> Vec<PathBuf> {
    let (mut videos, mut folders) = (Vec::new(), vec![root.join("videos")]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { videos.push(path) }
        }
    }
    videos
}

/// Frame folders of four frames each, at 5 frames a second; only of the last one more than the first frame can be read.
pub(crate) fn partly_broken_frames(folder: &Path, episodes: usize) -> SourceConfig {
    let root = folder.join("frames");
    for (episode, frame) in (0..episodes).flat_map(|episode| (0..4).map(move |frame| (episode, frame))) {
        let path = root.join(format!("{episode}/{frame}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if frame == 0 || episode + 1 == episodes {
            picture(8 * frame, 0).save_png(&path).unwrap();
        } else {
            std::fs::write(&path, "no picture").unwrap();
        }
    }
    SourceConfig { fps: Some(5.0), ..SourceConfig::new(root) }
}

fn picture(left: usize, top: usize) -> Frame {
    let mut frame = Frame::new(SIDE, SIDE);
    frame.pixels_mut().fill(90);
    for y in top..top + SQUARE {
        for x in left..left + SQUARE {
            frame.set_pixel(x, y, [220, 200, 60]);
        }
    }
    frame
}
