//! Looking at data: what a dataset is, whether it is whole, its statistics, its clips.

use crate::{code, contains, dataset, fails, stderr, stdout, succeeds, text, vipra};

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
fn a_weighted_mixture_is_written_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 3);
    let (videos, run) = (folder.path().join("videos"), folder.path().join("run"));
    std::fs::create_dir(&videos).unwrap();
    let recorded = root.join("videos/observation.images.front/chunk-000/file-000.mp4");
    std::fs::copy(recorded, videos.join("wave.mp4")).unwrap();
    let sources = format!("data.sources=[{{path={root:?}, weight=3.0}}, {{path={videos:?}, fps=10}}]");
    let clips = ["data", "clips", "--config", "tiny", "--set", "data.clip.frames=3", "--set", &sources];
    let shown = succeeds(&[&clips[..], &["--count", "4", "--run", text(&run)]].concat());
    contains(&shown, &["4 clips of", "set"]);
    contains(&std::fs::read_to_string(run.join("config.toml")).unwrap(), &["weight = 3.0", "fps = 10.0"]);
}

#[test]
fn what_is_broken_stops_or_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 2);
    let info = root.join("meta/info.json");
    let renamed = std::fs::read_to_string(&info).unwrap().replace("\"action\"", "\"torque\"");
    std::fs::write(&info, renamed).unwrap();
    let stats = ["data", "stats", text(&root), "--pictures"];
    contains(&fails(&stats), &["the feature `torque` cannot be read", "no such column", "file-000.parquet"]);
    let output = vipra(&[&stats[..], &["--on-error", "skip"]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    contains(&stderr(&output), &["left out feature `torque` of 2 episodes", "no such column"]);
    contains(&stdout(&output), &["observation.images.front: 6 pictures"]);
}

#[test]
fn nothing_is_written_into_the_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), 2);
    let (file, sheet, run) = (root.join("a/stats.json"), root.join("a/sheet.png"), root.join("a/run"));
    let refused =
        |arguments: &[&str]| contains(&fails(arguments), &["would lie inside the dataset", "choose a place outside"]);
    refused(&["data", "stats", text(&root), "--out", text(&file)]);
    let clips = ["data", "clips", text(&root), "--config", "tiny"];
    refused(&[&clips[..], &["--contact-sheet", text(&sheet)]].concat());
    refused(&[&clips[..], &["--run", text(&run)]].concat());
    assert!(!root.join("a").exists());
}
