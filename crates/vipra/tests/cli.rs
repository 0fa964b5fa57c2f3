//! The program as a person runs it: output, exit codes, what a kill leaves behind.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use vipra_data::video::{VideoCodec, VideoOptions};
use vipra_data::writer::{DatasetWriter, WriterOptions};
use vipra_data::{DType, Feature, Features, Frame, Rows, Values};

fn vipra(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipra"));
    command.args(arguments).env_remove("VIPRA_LOG");
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs and expects exit code 0, with nothing on standard error.
fn succeeds(arguments: &[&str]) -> String {
    let output = vipra(arguments);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{arguments:?}");
    stdout(&output)
}

/// Runs and expects exit code 2, with a message and nothing on standard output.
fn fails(arguments: &[&str]) -> String {
    let output = vipra(arguments);
    assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{arguments:?}");
    stderr(&output)
}

fn contains(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "no {part:?} in:\n{text}"));
}

/// A dataset of 64×64 videos, three frames an episode.
fn dataset(folder: &Path, episodes: usize) -> PathBuf {
    let root = folder.join("set");
    let features = Features::from([
        ("observation.images.front".to_owned(), Feature::camera(DType::Video, 64, 64)),
        ("action".to_owned(), Feature::numeric(DType::Float32, &["dx", "still"])),
    ]);
    let mut options = WriterOptions::new(5, features);
    options.video = VideoOptions { codec: VideoCodec::H264, ..VideoOptions::default() };
    let mut writer = DatasetWriter::create(&root, options).unwrap();
    for episode in 0..episodes {
        let mut recording = writer.begin_episode("wave").unwrap();
        let mut frame = Frame::new(64, 64);
        for level in [50, 100, 150] {
            frame.pixels_mut().fill(level);
            recording.push("observation.images.front", &frame).unwrap();
        }
        let mut rows = Rows { length: 3, ..Rows::default() };
        rows.insert("action", 2, Values::F32(vec![episode as f32, 1.0, 1.0, 1.0, 2.0, 1.0])).unwrap();
        recording.finish(&rows).unwrap();
    }
    writer.finish(&[]).unwrap();
    root
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn inspecting_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 4);
    let shown = succeeds(&["data", "inspect", text(&root)]);
    contains(
        &shown,
        &["LeRobot v3.0 dataset", "4, 12 frames", "5 frames/s", "train: episodes 0 to 3", "64×64×3", "wave"],
    );
    let json: serde_json::Value = serde_json::from_str(&succeeds(&["data", "inspect", text(&root), "--json"])).unwrap();
    assert_eq!((json["episodes"].as_u64(), json["layout"].as_str()), (Some(4), Some("lerobot-v30")));
}

#[test]
fn checking_finds_what_is_wrong_and_says_so_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 2);
    contains(&succeeds(&["data", "check", text(&root)]), &["nothing wrong", "2 episodes", "6 frames"]);
    let video = root.join("videos/observation.images.front/chunk-000/file-000.mp4");
    std::fs::write(&video, b"no video").unwrap();
    let output = vipra(&["data", "check", text(&root)]);
    assert_eq!(code(&output), 1);
    contains(&stdout(&output), &["1 thing wrong", "2 episodes from 0 to 1:", "file-000.mp4"]);
    let output = vipra(&["data", "check", text(&root), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["findings"][1]["episode"], 1);
    contains(&fails(&["data", "check", text(&folder.path().join("nothing"))]), &["error:", "nothing"]);
}

#[test]
fn statistics_flag_a_dimension_that_hardly_varies() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 3);
    let out = folder.path().join("stats.json");
    let shown = succeeds(&["data", "stats", text(&root), "--pictures", "--out", text(&out)]);
    contains(
        &shown,
        &["action: 9 rows", "hardly varies: its scale is raised to 0.0001", "observation.images.front: 9 pictures"],
    );
    let flagged: Vec<&str> = shown.lines().filter(|line| line.contains("hardly")).collect();
    assert!(flagged.iter().any(|line| line.contains("still")) && !flagged.iter().any(|line| line.contains("dx")));
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    assert_eq!(json["action"]["mean"][1], 1.0);
}

#[test]
fn clips_draw_a_sheet_and_fill_a_run_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 3);
    let (sheet, run) = (folder.path().join("sheet.png"), folder.path().join("run"));
    let arguments = ["data", "clips", text(&root), "--config", "tiny", "--set", "data.clip.frames=3", "--count", "4"];
    let shown = succeeds(&[&arguments[..], &["--contact-sheet", text(&sheet), "--run", text(&run)]].concat());
    contains(&shown, &["4 clips of 6 in an epoch", "12 frames", "wave"]);
    assert!(std::fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    contains(&config, &["frames = 3", "width = 64", "set\""]);
    assert!(run.join("clips.json").exists() && run.join("contact-sheet.png").exists());

    // The written configuration gives the same clips again, and the folder belongs to it.
    let again = succeeds(&["data", "clips", "--config", text(&run.join("config.toml")), "--count", "4"]);
    assert_eq!(again.lines().take(5).collect::<Vec<_>>(), shown.lines().take(5).collect::<Vec<_>>());
    let other = fails(&["data", "clips", text(&root), "--run", text(&run)]);
    contains(&other, &["another configuration"]);
}

#[test]
fn mistakes_on_the_command_line_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 1);
    contains(&fails(&["data", "clips"]), &["name a dataset"]);
    contains(&fails(&["data", "clips", text(&root), "--camera", "wrist"]), &["no camera named `wrist`", "front"]);
    contains(&fails(&["data", "clips", text(&root), "--split", "test"]), &["no split named `test`", "train"]);
    contains(&fails(&["data", "clips", text(&root), "--set", "data.clip.frmes=3"]), &["data.clip.frmes", "`frames`"]);
    contains(&fails(&["data", "clips", text(&root), "--config", "tinny"]), &["tinny", "tiny, small, vipra-7b"]);
    contains(&fails(&["data", "convert", text(&root), text(&root)]), &["inside of the source"]);
    contains(&fails(&["data", "convert", text(&root), "x", "--images", "--codec", "h264"]), &["cannot be used with"]);
    let missing = fails(&["data", "inspect", text(&folder.path().join("nothing"))]);
    assert_eq!(missing.matches("nothing").count(), 1, "said once: {missing}");
    contains(&missing, &["No such file or directory"]);
    contains(&fails(&["data", "convert", text(&root), "x", "--codec", "mpeg2"]), &["av1, h264, hevc, vp9"]);
    contains(&fails(&["data", "inspect", "x", "--fps", "0"]), &["0.001"]);
    contains(&fails(&["data", "clips", "x", "--contact-sheet", "x.jpg"]), &["must end in .png"]);
    contains(&fails(&["laq", "train", "--camera", "wrist", "--config", "tiny", "--run", "x"]), &["<PATHS>"]);
    contains(&fails(&["dat"]), &["data"]);
}

#[test]
fn configurations_are_shown_and_checked() {
    contains(
        &succeeds(&["config", "show", "--config", "small"]),
        &["width = 128", "# Width of a picture, in pixels.", "One of: stretch, center-crop, pad"],
    );
    assert_eq!(succeeds(&["config", "check", "--config", "vipra-7b"]), "no faults\n");
    let output = vipra(&["config", "check", "--set", "data.sed=1", "--set", "data.clip.frames=0"]);
    assert_eq!(code(&output), 1);
    contains(
        &stdout(&output),
        &["2 faults", "data.sed: unknown key; did you mean `seed`?", "data.clip.frames: 0 is less than 1"],
    );
    contains(&fails(&["config", "show", "--set", "data.sed=1"]), &["did you mean `seed`"]);
}

#[test]
fn info_and_completions_print() {
    contains(&succeeds(&["info"]), &[env!("CARGO_PKG_VERSION"), "libavcodec", "cpu", "backends"]);
    contains(&succeeds(&["completions", "bash"]), &["_vipra"]);
}

#[test]
fn a_closed_pipe_is_no_error() {
    // Nobody reads from the start, so that the very first write fails.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&["config", "show"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
    let output = output.unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

#[test]
fn a_killed_conversion_is_readable_and_goes_on() {
    const EPISODES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), EPISODES);
    let (killed, straight) = (folder.path().join("killed"), folder.path().join("straight"));
    let arguments =
        |target: &Path| ["data", "convert", text(&root), text(target), "--codec", "h264"].map(str::to_owned);

    let mut child = command(&[]).args(arguments(&killed)).spawn().unwrap();
    let committed = killed.join("meta/episodes/chunk-000/file-004.parquet");
    let began = Instant::now();
    while !committed.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no fifth episode after a minute");
        assert!(child.try_wait().unwrap().is_none(), "the conversion ended before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let shown: serde_json::Value =
        serde_json::from_str(&succeeds(&["data", "inspect", text(&killed), "--json"])).unwrap();
    let finished = shown["episodes"].as_u64().unwrap();
    assert!((5..EPISODES as u64).contains(&finished), "{finished}");
    let report = vipra(&["data", "check", text(&killed)]);
    assert_eq!(code(&report), 1);
    contains(&stdout(&report), &["1 thing wrong", "a recording that was not finished"]);

    let run = |target: &Path| {
        let arguments = arguments(target);
        succeeds(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    contains(&run(&killed), &["40 episodes"]);
    run(&straight);
    for file in ["meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/vipra.json"] {
        assert!(std::fs::read(killed.join(file)).unwrap() == std::fs::read(straight.join(file)).unwrap(), "{file}");
    }
    for folder in ["meta/episodes", "data"] {
        let file = format!("{folder}/chunk-000/file-000.parquet");
        assert!(std::fs::read(killed.join(&file)).unwrap() == std::fs::read(straight.join(&file)).unwrap(), "{file}");
    }
    contains(&run(&killed), &["already converted: 40 episodes"]);
    succeeds(&["data", "check", text(&killed)]);
}
