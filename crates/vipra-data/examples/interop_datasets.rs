//! Writes small datasets and, beside each, what is in it, for `python/interop/check_lerobot.py` to compare.
//!
//! Usage: `interop_datasets OUT`

use std::path::Path;

use serde_json::{Value, json};
use vipra_data::video::{VideoCodec, VideoOptions};
use vipra_data::writer::{DatasetWriter, WriterOptions};
use vipra_data::{DType, Feature, Features, Frame, Result, Rows, Values};

const LENGTHS: [usize; 4] = [7, 5, 6, 12];
const FRONT: &str = "observation.images.front";
const WRIST: &str = "observation.images.wrist";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::args().nth(1).ok_or("usage: interop_datasets OUT")?;
    let out = Path::new(&out);
    for (name, dtype, codec, finished) in [
        ("video-av1", DType::Video, VideoCodec::Av1, true),
        ("video-h264", DType::Video, VideoCodec::H264, true),
        ("images", DType::Image, VideoCodec::Av1, true),
        ("interrupted", DType::Video, VideoCodec::H264, false),
    ] {
        let root = out.join(name);
        let mut options = WriterOptions::new(5, features(dtype));
        options.robot_type = Some("widowx".into());
        options.video = VideoOptions { codec, ..VideoOptions::default() };
        let mut writer = DatasetWriter::create(&root, options)?;
        let mut expected = Vec::new();
        for (episode, &length) in LENGTHS.iter().enumerate() {
            expected.push(record(&mut writer, episode, length)?);
        }
        if finished {
            writer.finish(&[("train".into(), 0..3), ("val".into(), 3..4)])?;
        } else {
            let mut torn = writer.begin_episode("never finished")?;
            torn.push(FRONT, &picture(9, 0))?;
        }
        let file = out.join(format!("{name}.json"));
        std::fs::write(file, serde_json::to_string(&json!({"fps": 5, "episodes": expected}))?)?;
    }
    Ok(())
}

fn features(camera: DType) -> Features {
    let mut matrix = Feature::numeric(DType::Float32, &["a", "b", "c", "d", "e", "f"]);
    matrix.shape = vec![2, 3];
    Features::from([
        (FRONT.to_owned(), Feature::camera(camera.clone(), 96, 64)),
        (WRIST.to_owned(), Feature::camera(camera, 64, 64)),
        ("observation.state".to_owned(), Feature::numeric(DType::Float32, &["x", "y", "gripper"])),
        ("action".to_owned(), Feature::numeric(DType::Float32, &["dx", "dy", "gripper"])),
        ("precise".to_owned(), Feature::numeric(DType::Float64, &["value"])),
        ("matrix".to_owned(), matrix),
        ("clock".to_owned(), Feature::numeric(DType::Int64, &["ns"])),
        ("next.done".to_owned(), Feature::numeric(DType::Bool, &["done"])),
        ("note".to_owned(), Feature::numeric(DType::String, &["note"])),
    ])
}

/// A grey that says which frame it is.
fn picture(level: u8, wrist: usize) -> Frame {
    let mut frame = if wrist == 1 { Frame::new(64, 64) } else { Frame::new(96, 64) };
    frame.pixels_mut().fill(level);
    frame
}

fn level(episode: usize, frame: usize, wrist: usize) -> u8 {
    (15 + 45 * episode + 7 * frame + 3 * wrist) as u8
}

fn record(writer: &mut DatasetWriter, episode: usize, length: usize) -> Result<Value> {
    let tasks = ["put carrot on plate", "stack the green block"];
    let mut recording = writer.begin_episode(tasks[episode % 2])?;
    for frame in 0..length {
        recording.push(FRONT, &picture(level(episode, frame, 0), 0))?;
        recording.push(WRIST, &picture(level(episode, frame, 1), 1))?;
    }
    let each = |width: usize, value: &dyn Fn(usize) -> f32| (0..length * width).map(value).collect::<Vec<f32>>();
    let state = each(3, &|at| episode as f32 + at as f32 / 7.0);
    let action = each(3, &|at| -(episode as f32) - at as f32 / 11.0);
    let matrix = each(6, &|at| at as f32 / 13.0);
    let precise: Vec<f64> = (0..length).map(|frame| (frame as f64 + 0.1).sqrt()).collect();
    let clock: Vec<i64> = (0..length).map(|frame| (1_i64 << 60) + frame as i64).collect();
    let done: Vec<bool> = (0..length).map(|frame| frame + 1 == length).collect();
    let note: Vec<String> = (0..length).map(|frame| format!("ünïcode {frame}")).collect();
    let expected = json!({
        "length": length,
        "task": tasks[episode % 2],
        "columns": {
            "observation.state": state, "action": action, "matrix": matrix, "precise": precise, "clock": clock,
            "next.done": done, "note": note,
        },
        "levels": {
            FRONT: (0..length).map(|frame| level(episode, frame, 0)).collect::<Vec<_>>(),
            WRIST: (0..length).map(|frame| level(episode, frame, 1)).collect::<Vec<_>>(),
        },
    });
    let mut rows = Rows { length, ..Rows::default() };
    rows.insert("observation.state", 3, Values::F32(state))?;
    rows.insert("action", 3, Values::F32(action))?;
    rows.insert("precise", 1, Values::F64(precise))?;
    rows.insert("matrix", 6, Values::F32(matrix))?;
    rows.insert("clock", 1, Values::I64(clock))?;
    rows.insert("next.done", 1, Values::Bool(done))?;
    rows.insert("note", 1, Values::Text(note))?;
    recording.finish(&rows)?;
    Ok(expected)
}
