//! The program as a person runs it: output, exit codes, what a kill leaves behind, and that it is what the README says.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod conversion;
mod data;
mod readme;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
    assert_eq!(succeeds(&["config", "show", "small"]), succeeds(&["config", "show", "--config", "small"]));
    contains(&fails(&["config", "check", "small", "--config", "tiny"]), &["cannot be used with"]);
    let output = vipra(&["config", "check", "--set", "data.sed=1", "--set", "data.clip.frames=0"]);
    assert_eq!(code(&output), 1);
    contains(
        &stdout(&output),
        &["2 faults", "data.sed: unknown key; did you mean `seed`?", "data.clip.frames: 0 is less than 1"],
    );
    contains(&fails(&["config", "show", "--set", "data.sed=1"]), &["did you mean `seed`"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "base = \"simpelr\"\n").unwrap();
    let output = vipra(&["config", "check", text(&file)]);
    assert_eq!(code(&output), 1);
    contains(&stdout(&output), &["1 fault in", "base: `simpelr` is no configuration file", "did you mean `simpler`?"]);
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
fn a_plan_says_how_long_the_demo_takes() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(&["run", "tiny", "--dry-run"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    contains(&stdout(&output), &["1/9", "finetune", "about", "nothing was done"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a plan made something");
}

#[test]
fn a_run_is_reported_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 2);
    let run = folder.path().join("run");
    let videos = ["run", "tiny", "--data", text(&root), "--until", "videos", "--run", text(&run)];
    let output = vipra(&videos);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let page = run.join("report.html");
    std::fs::remove_file(&page).unwrap();
    contains(&succeeds(&["report", text(&run)]), &["written to", "report.html", "needs nothing beside it"]);
    contains(&std::fs::read_to_string(&page).unwrap(), &["<!DOCTYPE html>", "data:image/png;base64,"]);
    contains(&fails(&["report", text(&root)]), &[text(&root)]);
}
