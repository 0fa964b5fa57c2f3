//! Pretraining as a person does it: frame tokens and latent actions first, then pretrain, kill, go on, predict; and what goes
//! wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;
mod program;

use std::path::{Path, PathBuf};

use program::{LATENT_ACTIONS, Place, TOKENIZER, TRANSFORMER, checkpoint, contains, kill_after, runs, vipra};
use serde_json::Value;

const OWN: &str = r#"
[laq.train]
steps = 6
batch_size = 2
[tokenizer]
validation_frames = 8
[tokenizer.train]
steps = 10
batch_size = 4
[pretrain]
horizon = 3
validation_samples = 6
views = 2
[pretrain.augmentation]
crop_area = 0.9
[pretrain.sequence]
arrangement = "packed"
length = 600
[pretrain.train]
steps = 24
batch_size = 1
accumulation = 2
log_every = 4
validate_every = 12
[pretrain.train.optimizer]
learning_rate = 2e-3
[pretrain.train.checkpoint]
every = 8
"#;

fn configuration() -> String {
    [LATENT_ACTIONS, TOKENIZER, TRANSFORMER, OWN].concat()
}

/// A place with a tokenizer and a latent action model that have hardly learned anything.
fn place() -> Place {
    let place = Place::new(&configuration());
    runs(&mut place.train(&["tokenizer", "train"], "tokenizer", &[]), 0);
    runs(&mut place.train(&["laq", "train"], "laq", &[]), 0);
    place
}

fn pretrain(place: &Place, run: &str, more: &[&str]) -> std::process::Command {
    let mut command = place.train(&["pretrain"], run, more);
    command.args(["--tokenizer", &place.path("tokenizer"), "--laq", &place.path("laq")]);
    command
}

#[test]
fn pretrain_kill_resume_predict() {
    let place = place();
    let whole = runs(&mut pretrain(&place, "whole", &["-v"]), 0);
    contains(&whole, &["labelling", "encoding", "latent_state_accuracy", "latent_action_loss", "samples an epoch"]);
    kill_after(pretrain(&place, "killed", &[]), &place.path("killed"), 8);
    runs(&mut pretrain(&place, "killed", &[]), 0);
    let last = |run: &str| checkpoint(&place.path(run), 24);
    assert!(last("whole") == last("killed"), "the resumed run ends elsewhere");
    runs(&mut pretrain(&place, "again", &["--set", "pretrain.activation_checkpointing=true"]), 0);
    assert!(last("whole") == last("again"), "activations computed again are others");
    runs(
        &mut pretrain(&place, "plain", &["--set", "pretrain.views=1", "--set", "pretrain.augmentation.crop_area=1.0"]),
        0,
    );
    assert!(last("whole") != last("plain"), "augmented views are not learned from");

    // Several tokens of an observed frame as one, in rows of several samples.
    let merged = ["pretrain.model.merged_side=2", "pretrain.model.frame_positions=true", "pretrain.train.steps=2"];
    let merged: Vec<&str> = merged.iter().flat_map(|key| ["--set", key]).collect();
    runs(&mut pretrain(&place, "merged", &merged), 0);
    let imagined = ["predict", &place.path("merged"), "--dataset", place.data(), "--out", &place.path("imagined")];
    contains(&runs(vipra(&imagined).args(["--episode", "3", "--count", "2"]), 0), &["2 moments in"]);
    let odd = ["--set", "pretrain.model.merged_side=3"];
    contains(
        &runs(&mut pretrain(&place, "odd", &odd), 2),
        &["8×8 tokens do not divide into patches of `merged_side` 3"],
    );

    // A run goes on with the models that it began with.
    runs(&mut place.train(&["laq", "train"], "other", &["--set", "laq.train.seed=1"]), 0);
    let mut other = place.train(&["pretrain"], "whole", &["--tokenizer", &place.path("tokenizer")]);
    other.args(["--laq", &place.path("other")]);
    contains(&runs(&mut other, 2), &["inputs.latent_action_model"]);
    let notes = Path::new(place.data()).join("notes.txt");
    std::fs::write(&notes, "other data").unwrap();
    contains(&runs(&mut pretrain(&place, "whole", &[]), 2), &["inputs.datasets"]);
    std::fs::remove_file(&notes).unwrap();

    let metrics = std::fs::read_to_string(place.path("whole/metrics.jsonl")).unwrap();
    contains(
        &metrics,
        &["\"padding\"", "\"latent_state\"", "\"latent_action_unigram_loss\"", "\"latent_state_copy_accuracy\""],
    );
    let summary: Value = serde_json::from_slice(&std::fs::read(place.path("whole/summary.json")).unwrap()).unwrap();
    assert!(summary["validation"]["latent_state_loss"].as_f64().unwrap() > 0.0);

    let out = place.path("predictions");
    let predict = |more: &[&str]| {
        let mut command = vipra(&["predict", &place.path("whole"), "--dataset", place.data(), "--out", &out]);
        command.args(more);
        command
    };
    let told = runs(&mut predict(&["--episode", "3", "--count", "3"]), 0);
    contains(&told, &["tokens of the imagined frame that are right", "3 moments in"]);
    let page = std::fs::read_to_string(format!("{out}/predictions.html")).unwrap();
    contains(&page, &["episode 3, frame", "data:image/gif;base64,", "data:image/png;base64,"]);
    assert!(!page.contains("http://") && !page.contains("https://"), "the page needs nothing beside it");
    let pictures = std::fs::read_dir(&out).unwrap().count();
    assert_eq!(pictures, 3 * 2 + 2);
    let numbers: Value = serde_json::from_slice(&std::fs::read(format!("{out}/predictions.json")).unwrap()).unwrap();
    let moments = numbers["moments"].as_array().unwrap();
    assert_eq!(moments.len(), 3);
    for name in [&moments[0]["strip"], &moments[2]["animation"]] {
        assert!(std::fs::exists(format!("{out}/{}", name.as_str().unwrap())).unwrap(), "{name}");
    }
    assert!((0.0..=1.0).contains(&moments[1]["tokens_right"].as_f64().unwrap()));
    // Drawn with a seed, the same futures come again.
    let drawn = ["--split", "val", "--count", "2", "--temperature", "1.0", "--top-k", "5", "--seed", "7"];
    assert_eq!(runs(&mut predict(&drawn), 0), runs(&mut predict(&drawn), 0));
    contains(&runs(&mut predict(&["--episode", "9"]), 2), &["no episode `9`"]);
    let elsewhere = ["--episode", "3", "--split", "0:2"];
    contains(&runs(&mut predict(&elsewhere), 2), &["the episode `3` is not in the split `0:2`"]);
    let inside = place.data.join("pictures");
    let inside = ["predict", &place.path("whole"), "--dataset", place.data(), "--out", inside.to_str().unwrap()];
    contains(&runs(&mut vipra(&inside), 2), &["the folder of pictures would lie inside the dataset"]);
    assert!(!place.data.join("pictures").exists());
    let moved = place.path("whole/checkpoints/step-00000024/model.safetensors");
    let alone = place.path("alone.safetensors");
    std::fs::copy(moved, &alone).unwrap();
    let told = runs(&mut vipra(&["predict", &alone, "--dataset", place.data(), "--out", &out]), 2);
    contains(&told, &["name it with --tokenizer"]);
}

#[test]
fn fields_choose_what_is_learned() {
    let place = place();
    for (fields, present, absent) in [
        ("[instruction],[vision],latent_state", "latent_state_loss", "latent_action_loss"),
        ("[instruction],[vision],latent_action", "latent_action_loss", "latent_state_loss"),
    ] {
        let set = format!("pretrain.fields=\"{fields}\"");
        let short = ["--set", &set, "--set", "pretrain.train.steps=2", "--set", "pretrain.transitions=1"];
        let told = runs(&mut pretrain(&place, present, &short), 0);
        contains(&told, &[present]);
        assert!(!told.contains(absent), "{told}");
        let out = place.path("imagined");
        let run = place.path(present);
        runs(&mut vipra(&["predict", &run, "--dataset", place.data(), "--count", "2", "--out", &out]), 0);
    }
}

#[test]
fn bad_input_is_said_plainly() {
    let place = place();
    let fails = |more: &[&str], parts: &[&str]| contains(&runs(&mut pretrain(&place, "run", more), 2), parts);
    fails(&["--set", "pretrain.fields=\"[vision],latent_action,latent_state\""], &["right behind it"]);
    fails(&["--set", "pretrain.fields=\"[instruction],[vision]\""], &["nothing is predicted"]);
    fails(&["--set", "pretrain.model.heads=3"], &["pretrain.model", "`heads` 3"]);
    fails(&["--set", "pretrain.views=1"], &["pretrain.views", "more than one view needs one"]);
    fails(&["--set", "pretrain.transitions=4"], &["4 are more than the 3 of the horizon"]);
    fails(&["--set", "pretrain.sequence.length=40"], &["tokens, a row only 40"]);

    let laq = place.path("laq");
    let labels = place.path("labels");
    runs(&mut vipra(&["laq", "label", place.data(), "--model", &laq, "--out", &labels, "--horizon", "5"]), 0);
    let other = &["look 5 transitions ahead, but `pretrain.horizon` is 3", "labels"];
    fails(&["--labels", &labels], other);

    let part = place.path("part");
    let label = ["laq", "label", place.data(), "--model", &laq, "--out", &part, "--horizon", "3", "--split", "val"];
    runs(&mut vipra(&label), 0);
    fails(&["--labels", &part], &["these labels have nothing on episode 0"]);
    runs(&mut place.train(&["tokenizer", "train"], "other", &["--set", "tokenizer.train.seed=1"]), 0);
    let tokens = place.path("tokens");
    runs(&mut vipra(&["tokenizer", "encode", place.data(), "--model", &place.path("other"), "--out", &tokens]), 0);
    fails(&["--tokens", &tokens], &["made by another tokenizer"]);
    let mut not_one = place.train(&["pretrain"], "run", &["--tokenizer", &laq, "--laq", &laq]);
    contains(&runs(&mut not_one, 2), &["not the weights of a frame tokenizer"]);
    fails(&["--set", "pretrain.fields=\"[instruction],[vision],[latent_state],latent_action\""], &["nobody has it"]);
}

/// What is cut is counted and named, and nothing of the frames is lost for it.
#[test]
fn a_long_instruction_is_cut_with_a_warning() {
    let place = place();
    let cut = ["--set", "pretrain.sequence.instruction_tokens=4", "--set", "pretrain.train.steps=1"];
    let told = runs(&mut pretrain(&place, "run", &cut), 0);
    contains(&told, &["instructions are cut to 4 tokens"]);
}

/// What is left out when the data are opened is left out of labels, tokens, samples and pictures.
#[test]
fn a_broken_video_is_left_out_to_the_end() {
    let mut place = place();
    let videos = PathBuf::from(place.path("videos"));
    for seed in ["1", "2", "3"] {
        let video = videos.join(format!("{seed}.mp4")).display().to_string();
        runs(&mut vipra(&["sim", "play", &video, "--size", "32", "--seed", seed]), 0);
    }
    std::fs::write(videos.join("0.mp4"), "no video").unwrap();
    place.data = videos;
    let steps = ["--set", "pretrain.train.steps=1"];
    contains(&runs(&mut pretrain(&place, "run", &steps), 2), &["0.mp4"]);
    let skip = [&steps[..], &["--set", "data.on_error=\"skip\""]].concat();
    runs(&mut pretrain(&place, "run", &skip), 0);
    let imagined = ["predict", &place.path("run"), "--dataset", place.data(), "--out", &place.path("imagined")];
    runs(vipra(&imagined).args(["--count", "1"]), 0);
}
