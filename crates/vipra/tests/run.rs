//! The whole pipeline as a person runs it: made, kept, changed, killed, gone on with; and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;
mod program;

use std::path::Path;
use std::process::Command;

use program::{
    LATENT_ACTIONS, Place, TOKENIZER, TRANSFORMER, checkpoint, contains, interrupt_after, interrupt_when, kill_after,
    runs, vipra,
};
use serde_json::Value;

const STAGES: [&str; 8] = ["videos", "demonstrations", "tokenizer", "laq", "cache", "pretrain", "finetune", "evaluate"];

/// Sizes and steps with which nothing is learned, and everything is run.
const OWN: &str = r#"
[laq.train]
steps = 4
batch_size = 2
[tokenizer]
validation_frames = 8
[tokenizer.train]
steps = 4
batch_size = 4
[pretrain]
horizon = 3
validation_samples = 6
[pretrain.train]
steps = 60
batch_size = 1
accumulation = 1
[pretrain.train.checkpoint]
every = 8
[finetune]
horizon = 4
measured_actions = 2
validation_samples = 4
augmentations = 1
execution = { first = { actions = 2 } }
[finetune.train]
steps = 3
batch_size = 2
accumulation = 1
"#;

fn models() -> String {
    [LATENT_ACTIONS, TOKENIZER, TRANSFORMER, OWN].concat()
}

/// The embedded simulator, a little of it.
const EMBEDDED: &str = r#"
[finetune.action]
kind = "delta-end-effector"
rotation = "rotation-vector"
gripper = { dimension = "gripper_open", open = 1.0, closed = -1.0 }
[run.videos.record.hand]
embodiment = "hand"
episodes = 3
seed = 1
[run.videos.record.gripper]
episodes = 2
seed = 2
[run.demonstrations.record.gripper]
episodes = 3
seed = 3
[run.tabletop]
tasks = ["put"]
[run.evaluation]
episodes = 2
parallel = 2
videos = 1
open_loop_episodes = 1
"#;

/// Demonstrations of a robot of one's own.
const NAMED: &str = r#"
[finetune.action]
kind = "delta-end-effector"
units = ["px", "px", "1"]
"#;

fn run(place: &Place, more: &[&str]) -> Command {
    let mut command = vipra(&["run"]);
    command.arg(&place.config).args(["--run", &place.path("run")]).args(more);
    command
}

fn record(place: &Place, stage: &str) -> Value {
    serde_json::from_slice(&std::fs::read(place.path(&format!("run/stages/{stage}.json"))).unwrap()).unwrap()
}

/// How many stages a run said that it skipped.
fn skipped(told: &str) -> usize {
    told.matches(": skipped, ").count()
}

/// What a dry run would do about each stage.
fn decisions(plan: &str) -> Vec<&str> {
    let rows: Vec<Vec<&str>> = plan.lines().map(|line| line.split_whitespace().collect()).collect();
    let decision = |stage: &&str| rows.iter().find(|row| row.get(1) == Some(stage)).unwrap()[2];
    STAGES.iter().map(decision).collect()
}

/// Names of what was moved away.
fn set_aside(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path("run/aside")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn exists(place: &Place, files: &[&str]) {
    files.iter().for_each(|file| assert!(Path::new(&place.path(file)).exists(), "no {file}"));
}

#[test]
fn the_embedded_pipeline_is_made_once_and_changed_in_part() {
    let place = Place::new(&(models() + EMBEDDED));
    let plan = runs(&mut run(&place, &["--dry-run"]), 0);
    contains(&plan, &["not made yet", "unknown", "nothing was done", "9/9"]);
    assert!(!Path::new(&place.path("run")).exists(), "a dry run made something");

    let told = runs(&mut run(&place, &[]), 0);
    let lines = STAGES.iter().enumerate().map(|(at, stage)| format!("{}/9 {stage}: ", at + 1));
    lines.for_each(|line| contains(&told, &[&line]));
    contains(&told, &["success (seen)", "n 2", "vipra serve", "MiB"]);
    exists(
        &place,
        &[
            "run/config.toml",
            "run/run.log",
            "run/report.html",
            "run/data/videos/hand/meta/info.json",
            "run/data/videos/gripper/meta/info.json",
            "run/data/videos.png",
            "run/data/demonstrations/gripper/meta/info.json",
            "run/data/demonstrations.png",
            "run/tokenizer/pictures/strip-000.png",
            "run/laq/report/report.html",
            "run/pretrain/pictures/predictions.html",
            "run/pretrain/pictures/hand/predictions.html",
            "run/policy/package/policy.json",
            "run/evaluation/outcomes.jsonl",
            "run/evaluation/open-loop.json",
            "run/policy/open-loop",
        ],
    );
    let summary: Value = serde_json::from_slice(&std::fs::read(place.path("run/summary.json")).unwrap()).unwrap();
    let stages: Vec<&str> =
        summary["stages"].as_array().unwrap().iter().map(|of| of["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, STAGES);
    let evaluate = record(&place, "evaluate");
    assert_eq!(evaluate["figures"]["splits"]["seen"]["success_any"]["trials"], 2);
    assert_eq!(evaluate["inputs"]["finetune"], record(&place, "finetune")["fingerprint"]);
    assert!(evaluate["seconds"].as_f64().unwrap() > 0.0);
    assert!(evaluate["input_results"]["finetune"].is_string());
    assert_eq!(evaluate["input_results"]["finetune"], record(&place, "finetune")["result"]);

    // By hand as well, a policy is asked for what it was made for.
    let by_hand = ["eval", &place.path("run"), "--out", &place.path("by hand"), "--episodes", "1", "--videos", "0"];
    let told = runs(vipra(&by_hand).args(["--split", "seen", "--parallel", "1"]), 0);
    contains(&told, &["what the policy was made for (tasks: put; objects: all)"]);
    let outcomes = std::fs::read_to_string(place.path("by hand/outcomes.jsonl")).unwrap();
    contains(&outcomes, &[r#""tasks":["put"]"#]);

    // How often a training is looked at and kept, and how much may go wrong, is no part of what it learns.
    let watching =
        ["laq.train.log_every=7", "finetune.train.checkpoint.keep=5", "data.skip_limit=5", "laq.train.skip_limit=7"];
    let watching = watching.map(|key| ["--set", key]).concat();
    assert_eq!(skipped(&runs(&mut run(&place, &watching), 0)), 8);
    assert_eq!(skipped(&runs(&mut run(&place, &[]), 0)), 8);
    // Nor is what a stage does not read.
    let plan = |key: &str| runs(&mut run(&place, &["--set", key, "--dry-run"]), 0);
    let (kept, made) = (["skip"; 8], ["run"; 8]);
    assert_eq!(decisions(&plan("tokenizer.text.vocab_size=300")), [&kept[..5], &made[5..]].concat());
    assert_eq!(decisions(&plan("data.clip.interval_secs=0.4")), [&kept[..3], &made[3..]].concat());
    let before = STAGES.map(|stage| record(&place, stage));
    let learning = ["--set", "finetune.train.steps=2"];
    let plan = runs(&mut run(&place, &[&learning[..], &["--dry-run"]].concat()), 0);
    contains(&plan, &["finetune.train.steps: 3 before, 2 now", "other finetune", "last time"]);
    let told = runs(&mut run(&place, &learning), 0);
    assert_eq!(skipped(&told), 6, "{told}");
    contains(&told, &["finetune.train.steps: 3 before, 2 now", "aside/finetune-1", "aside/evaluate-1"]);
    let after = STAGES.map(|stage| record(&place, stage));
    assert!(before[..6] == after[..6] && before[6..] != after[6..]);

    // A stage is made again when that is asked for, once, and all that are made from it.
    let again = runs(&mut run(&place, &[&learning[..], &["--from", "finetune", "--until", "finetune"]].concat()), 0);
    contains(&again, &["asked for by --from", "aside/finetune-2"]);
    let told = runs(&mut run(&place, &learning), 0);
    assert_eq!(skipped(&told), 7, "{told}");
    contains(&told, &["8/9 evaluate: evaluating", "9/9 report"]);
    std::fs::remove_dir_all(place.path("run/policy/package")).unwrap();
    let told = runs(&mut run(&place, &learning), 0);
    contains(
        &told,
        &["finetune: finetuning on the demonstrations (some of its results are gone; what was made from them stays"],
    );
    assert_eq!(skipped(&told), 7, "{told}");
    assert!(!Path::new(&place.path("run/aside/finetune-3")).exists(), "what was learned is thrown away");
    // How a policy acts can be told otherwise without learning it again.
    let acting =
        [&learning[..], &["--set", "finetune.execution={first={actions=3}}", "--set", "finetune.crops=3"]].concat();
    let plan = runs(&mut run(&place, &[&acting[..], &["--dry-run"]].concat()), 0);
    contains(&plan, &["resume", "little: no step is done again", "what was learned stays"]);
    let told = runs(&mut run(&place, &acting), 0);
    contains(&told, &["finetune.crops: 1 before, 3 now; ", "actions: 2 before, 3 now; what was learned stays"]);
    assert_eq!(skipped(&told), 6, "{told}");
    assert!(!Path::new(&place.path("run/aside/finetune-3")).exists(), "what was learned is thrown away");
    let described = runs(&mut vipra(&["policy", "describe", &place.path("run")]), 0);
    contains(&described, &["3 of 0.9 of the area", "first, 3 actions of a chunk"]);
    assert_eq!(skipped(&runs(&mut run(&place, &acting), 0)), 8);
    // Nor is anything lost where the run folder lies elsewhere now.
    let elsewhere = place.path("elsewhere");
    std::fs::rename(place.path("run"), &elsewhere).unwrap();
    let mut moved = vipra(&["run"]);
    let told = runs(moved.arg(&place.config).args(["--run", &elsewhere]).args(learning), 0);
    contains(&told, &["finetune.crops: 3 before, 1 now; ", "what was learned stays"]);
    assert_eq!(skipped(&told), 6, "{told}");
    std::fs::rename(&elsewhere, place.path("run")).unwrap();
    // What an evaluation looks at besides the episodes is looked at anew, where the demonstrations lie now.
    let outcomes = || std::fs::read_to_string(place.path("run/evaluation/outcomes.jsonl")).unwrap();
    let before = (outcomes(), set_aside(&place));
    let looking = [&learning[..], &["--set", "run.evaluation.open_loop_episodes=2"]].concat();
    let told = runs(&mut run(&place, &looking), 0);
    contains(&told, &["run.evaluation.open_loop_episodes: 1 before, 2 now; the episodes that ran stay"]);
    assert_eq!(skipped(&told), 7, "{told}");
    assert_eq!((outcomes(), set_aside(&place)), before);
    // A part of the stages leaves what is known of the others.
    runs(&mut run(&place, &[&learning[..], &["--until", "laq"]].concat()), 0);
    let summary: Value = serde_json::from_slice(&std::fs::read(place.path("run/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["stages"].as_array().unwrap().len(), 8);
}

#[test]
fn a_pipeline_on_named_data_is_killed_and_goes_on_to_the_same() {
    let place = Place::new(&(models() + NAMED));
    let other = Place::new(&(models() + NAMED));
    // One dataset, one folder: paths are part of what a training compares itself with.
    let data = ["--data", place.data()];
    let whole = runs(&mut run(&place, &data), 0);
    contains(&whole, &["4 episodes", "open-loop error"]);

    let killed = || run(&other, &data);
    kill_after(killed(), &other.path("run/pretrain"), 8);
    assert_eq!(record(&other, "pretrain")["state"], "begun");
    // A change of what comes later does not keep a stage from going on.
    let told = runs(killed().args(["--set", "finetune.train.steps=2"]), 0);
    assert_eq!(skipped(&told), 5, "{told}");
    contains(&told, &["6/9 pretrain: pretraining on the videos (was interrupted, goes on)"]);
    let last = |place: &Place| checkpoint(&place.path("run/pretrain"), 60);
    assert!(last(&place) == last(&other), "the run that was killed ends elsewhere");

    // Ctrl-C in a training ends it with a checkpoint, and says how to go on.
    let longer = [&data[..], &["--set", "pretrain.train.steps=400"]].concat();
    let stopped = interrupt_after(run(&other, &longer), &other.path("run/pretrain"), 8);
    assert_eq!(stopped.status.code(), Some(1));
    let told = program::text(&stopped);
    contains(&told, &["stopped in the stage pretrain", "vipra run", "pretrain.train.steps=400"]);
    let seconds = record(&other, "pretrain")["seconds"].as_f64().unwrap();
    let plan = runs(run(&other, &longer).arg("--dry-run"), 0);
    contains(&plan, &["resume", "was interrupted"]);
    assert!(seconds > 0.0);

    // Data that is another now is another run.
    let changed = made_data::wandering_squares(Path::new(&other.path("new")), &[20, 12]);
    let told = runs(run(&other, &["--data", changed.to_str().unwrap(), "--dry-run"]).arg("--until=tokenizer"), 0);
    contains(&told, &["named: [", "other videos"]);

    // Data that lie elsewhere are the same data.
    let moved = place.path("moved");
    std::fs::rename(&place.data, &moved).unwrap();
    let moved = ["--data", &moved];
    assert_eq!(skipped(&runs(&mut run(&place, &moved), 0)), 8);
    // The scenes at the tabletop are none of theirs: the package alone says what it was made for.
    let told = runs(&mut run(&place, &with(&moved, &["--set", "run.tabletop.tasks=[\"put\"]"])), 0);
    contains(&told, &["run.tabletop.tasks: [] before, [\"put\"] now; what was learned stays"]);
    assert_eq!(skipped(&told), 6, "{told}");
    let package = std::fs::read_to_string(place.path("run/policy/package/config.toml")).unwrap();
    contains(&package, &["tasks = [\"put\"]"]);
}

/// What is not a training ends with the process, and goes on all the same.
#[test]
fn a_recording_that_is_stopped_goes_on() {
    let place = Place::new(&(models() + EMBEDDED));
    let more = ["--set", "run.videos.record.hand.episodes=40", "--until", "videos"];
    let begun = place.path("run/data/videos/gripper");
    let stopped = interrupt_when(run(&place, &more), &|| Path::new(&begun).exists());
    assert_eq!(stopped.status.code(), Some(1));
    contains(&program::text(&stopped), &["stopped in the stage videos", "vipra run", "--until videos"]);
    let told = runs(&mut run(&place, &more), 0);
    contains(&told, &["1/2 videos: videos to learn from (was interrupted, goes on)", "42 episodes"]);
    contains(&std::fs::read_to_string(place.path("run/run.log")).unwrap(), &["stopped in the stage videos"]);
}

fn with<'a>(data: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [data, more].concat()
}

#[test]
fn what_cannot_be_done_is_said_plainly() {
    let place = Place::new(&(models() + NAMED));
    let fails = |more: &[&str], parts: &[&str]| contains(&runs(&mut run(&place, more), 2), parts);
    fails(&[], &["no videos", "--data", "run.videos.paths"]);
    fails(&["--data", &place.path("nowhere")], &["reading the demonstrations of the run", "nowhere"]);
    let data = ["--data", place.data()];
    fails(&with(&data, &["--set", "laq.train.stepps=3"]), &["laq.train.stepps", "did you mean `steps`"]);
    fails(&with(&data, &["--from", "evaluate", "--until", "laq"]), &["--from evaluate lies behind --until laq"]);
    fails(&with(&data, &["--until", "lq"]), &["possible values", "pretrain"]);
    for dry in [&[][..], &["--dry-run"]] {
        fails(&with(&data, &[dry, &["--device", "foo"]].concat()), &["unknown device `foo`"]);
        let silent = with(&data, &[dry, &["--set", "finetune.action.feature=\"wishes\""]].concat());
        fails(&silent, &["demonstrations of the run", "no feature `wishes`"]);
        let later = ["--set", "laq.spatial_encoder_weights=\"nothing.pth\"", "--set", "pretrain.sequence.length=9"];
        let told =
            ["laq.spatial_encoder_weights: there is no file nothing.pth", "pretrain.sequence.length: 9 tokens do not"];
        fails(&with(&data, &[dry, &later].concat()), &told);
    }
    assert!(!Path::new(&place.path("run")).exists(), "what could not begin left a folder");

    // A stage that fails says which it is, where to look, and how to go on; then it does.
    let weights = place.path("broken.pth");
    std::fs::write(&weights, "no weights").unwrap();
    let setting = format!("laq.spatial_encoder_weights={weights:?}");
    let broken = with(&data, &["--set", &setting, "--until", "laq"]);
    fails(&broken, &["the stage laq failed", "broken.pth", "run.log", "vipra run", "--until laq"]);
    contains(&std::fs::read_to_string(place.path("run/run.log")).unwrap(), &["4/5 laq: ", "tokenizer"]);
    let told = runs(&mut run(&place, &with(&data, &["--until", "laq"])), 0);
    assert_eq!(skipped(&told), 3, "{told}");
}
