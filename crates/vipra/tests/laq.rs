//! Latent actions as a person makes them: train, interrupt, go on, label, report, transfer; and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use program::{
    LATENT_ACTIONS, Place, checkpoint, contains, interrupt_after, kill_after, make_drift, runs, text, vipra,
};
use serde_json::Value;
use vipra_data::labels::LabelStore;

// Codes begin between the kill after step 16 and the end at step 40.
const OWN: &str = r#"
[data]
tolerance_secs = 0.02
[laq.codebook]
learning = "averages"
first_step = 20
noise_warm_up_steps = 10
[laq.loss.weights.flow]
start_step = 5
warm_up_steps = 2
[laq.loss.flow]
clips = 1
[laq.loss.flow.classical]
warps = 1
relaxations = 2
[laq.train]
steps = 300
batch_size = 2
log_every = 5
validate_every = 10
[laq.train.optimizer]
learning_rate = 2e-3
[laq.train.checkpoint]
every = 8
"#;

fn configuration() -> String {
    [LATENT_ACTIONS, OWN].concat()
}

fn train(place: &Place, run: &str, more: &[&str]) -> Command {
    place.train(&["laq", "train"], run, more)
}

#[test]
fn train_interrupt_resume_label_report_transfer() {
    let place = Place::new(&configuration());
    let whole = runs(&mut train(&place, "whole", &["--set", "laq.train.steps=40"]), 0);
    contains(&whole, &["l1_moving_ratio", "nearer_to_next", "perplexity", "parameters, weights in"]);

    // Ctrl-C keeps what was learned, says so by the exit code too, and the same command goes on.
    let interrupted = interrupt_after(train(&place, "parts", &[]), &place.path("parts"), 8);
    assert_eq!(interrupted.status.code(), Some(1), "{}", text(&interrupted));
    contains(&text(&interrupted), &["stopped after step", "the same command goes on from there"]);
    let differs = runs(&mut train(&place, "parts", &["--set", "laq.train.steps=40"]), 2);
    contains(&differs, &["another configuration", "laq.train.steps: 300 before, 40 now"]);

    // A killed run ends at the same bits as one that was left alone.
    let settings = ["--set", "laq.train.steps=40"];
    kill_after(train(&place, "killed", &settings), &place.path("killed"), 16);
    runs(&mut train(&place, "killed", &settings), 0);
    let last = |run: &str| checkpoint(&place.path(run), 40);
    assert!(last("whole") == last("killed"), "the resumed run ends elsewhere");

    // Other data are refused, and leave the configuration as it is.
    let kept = || std::fs::read_to_string(place.path("killed/config.toml")).unwrap();
    let before = kept();
    let others = made_data::wandering_squares(Path::new(&place.path("others")), &[15, 18, 11]);
    let mut other = vipra(&["laq", "train"]);
    other.arg(others).arg("--config").arg(&place.config).args(["--run", &place.path("killed")]).args(settings);
    contains(&runs(&mut other, 2), &["another configuration", "inputs.datasets"]);
    assert_eq!(kept(), before);

    let summary: Value = serde_json::from_slice(&std::fs::read(place.path("whole/summary.json")).unwrap()).unwrap();
    assert!(summary["validation"]["l1"].as_f64().unwrap() > 0.0);
    let metrics = std::fs::read_to_string(place.path("whole/metrics.jsonl")).unwrap();
    contains(&metrics, &["\"code_share/7\"", "\"dead_codes\"", "\"data_wait\"", "\"flow\"", "\"perceptual\""]);

    let data = place.data.to_str().unwrap();
    let model = place.path("whole");
    let label = |out: &str, more: &[&str]| {
        let mut command =
            vipra(&["laq", "label", data, "--model", &model, "--out", &place.path(out), "--horizon", "5"]);
        command.args(more);
        command
    };
    contains(&runs(&mut label("labels", &[]), 0), &["73 frames labelled"]);
    contains(&runs(&mut label("labels", &[]), 0), &["nothing was missing"]);
    contains(&runs(&mut label("other", &["--shard", "4/4"]), 2), &["a shard is like 0/4"]);
    contains(&runs(&mut label("shards", &["--shard", "0/2"]), 0), &["32 frames labelled"]);
    contains(&runs(&mut label("shards", &["--shard", "1/2"]), 0), &["41 frames labelled"]);
    let labels = |folder: &str| LabelStore::open(Path::new(&place.path(folder))).unwrap().read().unwrap();
    assert!(labels("shards") == labels("labels"), "in parts the labels are others");
    contains(&runs(&mut label("labels", &["--split", "train"]), 2), &["these labels have"]);

    let page = place.path("report/laq.html");
    let told = runs(&mut vipra(&["laq", "report", "--model", &model, "--out", &page, "--examples", "2"]), 0);
    contains(&told, &["R² of true actions", "dx", "shuffled codes", "written to"]);
    let html = std::fs::read_to_string(&page).unwrap();
    contains(
        &html,
        &["<!DOCTYPE html>", "data:image/gif;base64,", "data:image/png;base64,", "nearer to the next frame"],
    );
    assert!(!html.contains("http://") && !html.contains("https://"), "the page needs nothing beside it");
    let numbers: Value = serde_json::from_slice(&std::fs::read(page.replace(".html", ".json")).unwrap()).unwrap();
    assert_eq!(numbers["codes"]["positions"].as_array().unwrap().len(), 4);
    assert!(numbers["probe"][0]["codes"].is_number());
    // One episode is held out, so there is one of each kind: rebuilt, codes on a frame, the same moving.
    assert_eq!(numbers["pictures"].as_array().unwrap().len(), 3);
    let file = numbers["pictures"][0]["file"].as_str().unwrap();
    assert!(std::fs::exists(place.path(&format!("report/laq-pictures/{file}"))).unwrap(), "{file}");
    assert!(numbers["probe"][2]["codes"].is_null(), "what does not vary has no R²");
    assert!(html.contains(" held-out episodes") && !html.contains("NaN"), "no others are there to take codes from");

    // Actions of two robots are nothing to compare codes with, and no reason to stop.
    let tabletop = place.path("tabletop");
    runs(&mut vipra(&["sim", "record", &tabletop, "--embodiment", "gripper", "--episodes", "2"]), 0);
    let mixed = ["laq", "report", data, &tabletop, "--model", &model, "--out", &page, "--examples", "2"];
    let told = runs(&mut vipra(&mixed), 0);
    contains(&told, &["codes of other episodes", "written to"]);
    assert!(!told.contains("R²") && !told.contains("no others"), "{told}");

    let gif = place.path("swap.gif");
    let (from, to) = (format!("{data}#0@0.4"), format!("{data}#2"));
    let told = runs(&mut vipra(&["laq", "transfer", &from, &to, "--model", &model, "--out", &gif]), 0);
    contains(&told, &["3 transitions of"]);
    assert!(std::fs::read(&gif).unwrap().starts_with(b"GIF89a"));
    let unknown = format!("{data}#99");
    contains(
        &runs(&mut vipra(&["laq", "transfer", &from, &unknown, "--model", &model, "--out", &gif]), 2),
        &["no episode `99` among the 4"],
    );
    drifting_timestamps_are_read_as_in_training(&place, &model);
    nothing_is_written_into_a_dataset(&place, &model);
}

fn drifting_timestamps_are_read_as_in_training(place: &Place, model: &str) {
    let data = made_data::wandering_squares(Path::new(&place.path("drifting")), &[20, 12, 16]);
    make_drift(&data);
    let data = data.to_str().unwrap();
    contains(&runs(&mut vipra(&["data", "stats", data]), 2), &["timestamp of frame"]);
    let page = place.path("drifting.html");
    runs(&mut vipra(&["laq", "report", data, "--model", model, "--out", &page, "--examples", "1"]), 0);
    let (from, to, gif) = (format!("{data}#0"), format!("{data}#2"), place.path("drifting.gif"));
    runs(&mut vipra(&["laq", "transfer", &from, &to, "--model", model, "--out", &gif]), 0);
}

fn nothing_is_written_into_a_dataset(place: &Place, model: &str) {
    let inside = |name: &str| place.data.join("inside").join(name).display().to_string();
    let refused = |command: &[&str]| contains(&runs(&mut vipra(command), 2), &["would lie inside the dataset"]);
    refused(&["laq", "report", place.data(), "--model", model, "--out", &inside("laq.html")]);
    let clip = format!("{}#0", place.data());
    refused(&["laq", "transfer", &clip, &clip, "--model", model, "--out", &inside("x.gif")]);
    assert!(!place.data.join("inside").exists());
}

/// The command, unable to write files of more than `bytes`: as on a full disk a part of a file gets there, and then an error.
fn with_files_up_to(bytes: u64, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    // A shell counts in blocks of 512 bytes. Ignored, the signal that comes with the error kills nobody.
    limited.args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &bytes.div_ceil(512).to_string()]);
    limited.arg(command.get_program()).args(command.get_args()).env_remove("VIPRA_LOG");
    limited
}

#[test]
fn what_a_full_disk_keeps_from_being_written_costs_nothing_that_was() {
    let place = Place::new(&configuration());
    let settings = ["--set", "laq.train.steps=80"];
    let (command, run) = (train(&place, "run", &settings), place.path("run"));
    kill_after(train(&place, "run", &settings), &run, 16);
    let names = || {
        let entries = std::fs::read_dir(place.path("run/checkpoints")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    // A checkpoint that the kill cut short is not one.
    let before: Vec<String> = names().into_iter().filter(|name| name.starts_with("step-")).collect();
    let last = before.last().unwrap();
    let step: u64 = last["step-".len()..].parse().unwrap();
    let kept = checkpoint(&run, step);

    // The weights of the next checkpoint get there, the optimiser's moments do not.
    let told = runs(&mut with_files_up_to(kept[0].len() as u64 + 4096, &command), 2);
    let next = format!("the checkpoint of step {} could not be written, the ones before it are untouched", step + 8);
    contains(&told, &[&next, "optimizer.safetensors"]);
    assert_eq!(names(), before, "nothing is left of what could not be written");
    assert!(checkpoint(&run, step) == kept);

    // Not even the metrics can be written, and those of before are still there.
    let metrics = || std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let steps = |text: &str| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>();
    let written = steps(&metrics()).into_iter().filter(|line| line["step"].as_u64() <= Some(step)).collect::<Vec<_>>();
    contains(&runs(&mut with_files_up_to(512, &command), 2), &["writing the metrics", "metrics.jsonl"]);
    runs(&mut train(&place, "run", &settings), 0);
    assert!(steps(&metrics()).starts_with(&written));
    assert!(written.len() > 1 && checkpoint(&run, 80).iter().all(|file| !file.is_empty()));
}

#[test]
fn bad_input_is_said_plainly() {
    let place = Place::new(&configuration());
    let fails = |more: &[&str], parts: &[&str]| contains(&runs(&mut train(&place, "run", more), 2), parts);
    fails(&["--set", "laq.model.patch=5"], &["laq.model", "`patch` 5 does not divide `frame_size` 16×16"]);
    fails(&["--set", "data.image.width=32"], &["`laq.model.frame_size`: 16×16", "16×32"]);
    fails(&["--set", "laq.model.code_length=5"], &["`code_length` is 5", "[16, 4, 1]"]);
    fails(&["--set", "data.clip.frames=1", "--set", "data.clip.min_real_frames=1"], &["at least 2 frames"]);
    fails(&["--set", "data.clip.min_real_frames=4", "--set", "data.clip.interval_secs=30"], &["no episode lasts"]);
    let foreign = place.path("foreign.pth");
    std::fs::write(&foreign, b"PK not a checkpoint").unwrap();
    fails(&["--set", &format!("laq.spatial_encoder_weights=\"{foreign}\"")], &["foreign.pth"]);
    fails(&["--set", "laq.loss.flow.network=\"raft-large\""], &["RAFT needs a file of weights"]);
    fails(&["--device", "cuda"], &["cuda"]);
    let nothing = vipra(&["laq", "label", place.data.to_str().unwrap(), "--model", &place.path("none"), "--out", "x"])
        .output()
        .unwrap();
    contains(&text(&nothing), &["there is no such file or folder"]);
    // What is written into a dataset makes another one of it.
    let mut inside = place.train(&["laq", "train"], "squares/runs/one", &[]);
    contains(&runs(&mut inside, 2), &["the run folder would lie inside the dataset", "choose a place outside"]);
    assert!(!PathBuf::from(place.path("run/checkpoints")).exists());
}
