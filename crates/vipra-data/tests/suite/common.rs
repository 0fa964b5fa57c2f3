//! What several tests need: where shared data lies, and small datasets made on the spot.

use std::io::Write;
use std::path::{Path, PathBuf};

use vipra_data::video::{VideoCodec, VideoOptions};
use vipra_data::writer::{DatasetWriter, WriterOptions};
use vipra_data::{DType, Feature, Features, Frame, OpenOptions, Result, Rows, Source, Values};

/// The folder of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn from_variable(variable: &str, otherwise: PathBuf, what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map_or(otherwise, PathBuf::from).join(what);
    if folder.exists() {
        return Some(folder);
    }
    say_skipped(&format!("{} is not there (set {variable})", folder.display()));
    None
}

/// Says what was not tested, straight to standard error: the test runner swallows what passing tests print.
pub fn say_skipped(reason: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {reason}\n").as_bytes()).unwrap();
}

/// Something in the folder of shared data, or `None` with a line that says what was skipped.
pub fn shared(what: &str) -> Option<PathBuf> {
    from_variable("VIPRA_SHARED", workspace().join("../shared"), what)
}

/// Something in the folder of golden tensors.
pub fn golden(what: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("VIPRA_SHARED").map_or_else(|| workspace().join("../shared"), PathBuf::from);
    from_variable("VIPRA_GOLDENS", shared.join("goldens"), what)
}

/// A file that lies beside the tests.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub const CAMERA: &str = "observation.images.front";
pub const STORED: &str = "observation.images.stored";
pub const FPS: u32 = 10;

/// A grey that says which frame of which episode it is.
pub fn grey(episode: usize, frame: usize) -> u8 {
    (20 + 60 * (episode % 3) + 5 * frame) as u8
}

pub fn solid(width: usize, height: usize, level: u8) -> Frame {
    Frame::from_pixels(width, height, vec![level; width * height * 3]).unwrap()
}

/// A camera stored as video, one stored as pictures, and one feature of each kind.
pub fn features() -> Features {
    let mut matrix = Feature::numeric(DType::Float64, &["a", "b", "c", "d", "e", "f"]);
    matrix.shape = vec![2, 3];
    Features::from([
        (CAMERA.to_owned(), Feature::camera(DType::Video, 64, 48)),
        (STORED.to_owned(), Feature::camera(DType::Image, 9, 7)),
        ("observation.state".to_owned(), Feature::numeric(DType::Float32, &["x", "gripper"])),
        ("action".to_owned(), Feature::numeric(DType::Float32, &["dx", "gripper"])),
        ("matrix".to_owned(), matrix),
        ("clock".to_owned(), Feature::numeric(DType::Int64, &["ns"])),
        ("level".to_owned(), Feature::numeric(DType::Uint8, &["level"])),
        ("next.done".to_owned(), Feature::numeric(DType::Bool, &["done"])),
        ("note".to_owned(), Feature::numeric(DType::String, &["note"])),
    ])
}

fn task(episode: usize) -> &'static str {
    ["put carrot on plate", "stack the green block"][episode % 2]
}

/// H.264 in small groups: fast, and every FFmpeg has it.
pub fn options() -> WriterOptions {
    let mut options = WriterOptions::new(FPS, features());
    options.robot_type = Some("testbot".into());
    options.video = VideoOptions { codec: VideoCodec::H264, gop: 2, crf: 10 };
    options
}

/// The rows of an episode, with values that no rounding leaves alone.
pub fn rows(episode: usize, length: usize) -> Rows {
    let number = |frame: usize| episode as f32 + frame as f32 / 10.0;
    let mut rows = Rows { length, ..Default::default() };
    let pairs = |sign: f32| (0..length).flat_map(|frame| [sign * number(frame), 1.0]).collect();
    rows.insert("observation.state", 2, Values::F32(pairs(1.0))).unwrap();
    rows.insert("action", 2, Values::F32(pairs(-1.0))).unwrap();
    let matrix = (0..length * 6).map(|at| at as f64 / 7.0 + episode as f64).collect();
    rows.insert("matrix", 6, Values::F64(matrix)).unwrap();
    // Beyond 2⁵³: must not pass through a float.
    let clock = (0..length).map(|frame| (1_i64 << 60) + frame as i64).collect();
    rows.insert("clock", 1, Values::I64(clock)).unwrap();
    rows.insert("level", 1, Values::I64((0..length).map(|frame| 250 + frame as i64 % 6).collect())).unwrap();
    rows.insert("next.done", 1, Values::Bool((0..length).map(|frame| frame + 1 == length).collect())).unwrap();
    rows.insert("note", 1, Values::Text((0..length).map(|frame| format!("é{frame}")).collect())).unwrap();
    rows
}

pub fn record(writer: &mut DatasetWriter, episode: usize, length: usize) -> Result<()> {
    let task = task(episode);
    let mut recording = writer.begin_episode(task)?;
    for frame in 0..length {
        recording.push(CAMERA, &solid(64, 48, grey(episode, frame)))?;
        recording.push(STORED, &solid(9, 7, grey(episode, frame)))?;
    }
    recording.finish(&rows(episode, length))
}

/// A finished dataset with episodes of these lengths.
pub fn write_dataset(root: &Path, lengths: &[usize]) {
    let mut writer = DatasetWriter::create(root, options()).unwrap();
    for (episode, &length) in lengths.iter().enumerate() {
        record(&mut writer, episode, length).unwrap();
    }
    writer.finish(&[]).unwrap();
}

pub fn open(root: &Path) -> Box<dyn Source> {
    vipra_data::open(root, &OpenOptions::default()).unwrap()
}

/// The message of the error that opening gives.
pub fn open_error(root: &Path) -> String {
    match vipra_data::open(root, &OpenOptions::default()) {
        Ok(_) => panic!("{} opened", root.display()),
        Err(error) => error.to_string(),
    }
}

/// The mean level of each frame of an episode.
pub fn levels(source: &dyn Source, episode: usize, camera: &str) -> Vec<f64> {
    let times = source.episodes()[episode].frame_times();
    levels_at(source, episode, camera, &times).unwrap()
}

pub fn levels_at(source: &dyn Source, episode: usize, camera: &str, times: &[f64]) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    let mut decoders = vipra_data::video::DecoderPool::new(2);
    source.frames(episode, camera, times, &mut decoders, &mut |nth, frame| {
        assert_eq!(nth, found.len());
        let sum: u64 = frame.pixels().iter().map(|&level| u64::from(level)).sum();
        found.push(sum as f64 / frame.pixels().len() as f64);
        Ok(())
    })?;
    Ok(found)
}

/// The same episodes in the layout of v2.1, from the single files that an unfinished recording has.
pub fn write_dataset_v21(root: &Path, lengths: &[usize]) {
    let scratch = tempfile::tempdir().unwrap();
    let recorded = scratch.path().join("recorded");
    let mut writer = DatasetWriter::create(&recorded, options()).unwrap();
    lengths.iter().enumerate().for_each(|(episode, &length)| record(&mut writer, episode, length).unwrap());
    drop(writer);

    let copy = |from: String, to: String| {
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(recorded.join(from), to).unwrap();
    };
    let (mut episodes, mut tasks) = (String::new(), indexmap::IndexSet::new());
    for (episode, &length) in lengths.iter().enumerate() {
        copy(
            format!("data/chunk-000/file-{episode:03}.parquet"),
            format!("data/chunk-000/episode_{episode:06}.parquet"),
        );
        let video = format!("videos/chunk-000/{CAMERA}/episode_{episode:06}.mp4");
        copy(format!("videos/{CAMERA}/chunk-000/file-{episode:03}.mp4"), video);
        let task = task(episode);
        tasks.insert(task);
        episodes += &serde_json::json!({"episode_index": episode, "tasks": [task], "length": length}).to_string();
        episodes += "\n";
    }
    std::fs::create_dir_all(root.join("meta")).unwrap();
    std::fs::write(root.join("meta/episodes.jsonl"), episodes).unwrap();
    let tasks =
        tasks.iter().enumerate().map(|(at, task)| serde_json::json!({"task_index": at, "task": task}).to_string());
    std::fs::write(root.join("meta/tasks.jsonl"), tasks.collect::<Vec<_>>().join("\n")).unwrap();
    let text = std::fs::read_to_string(recorded.join("meta/info.json")).unwrap();
    let mut info: serde_json::Value = serde_json::from_str(&text).unwrap();
    info["codebase_version"] = "v2.1".into();
    info["fps"] = 10.0.into();
    info["total_videos"] = lengths.len().into();
    info["data_path"] = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet".into();
    info["video_path"] = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4".into();
    std::fs::write(root.join("meta/info.json"), info.to_string()).unwrap();
}

/// Changes `meta/info.json`.
pub fn edit_info(root: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = root.join("meta/info.json");
    let mut info: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut info);
    std::fs::write(path, info.to_string()).unwrap();
}
