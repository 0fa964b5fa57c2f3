//! Finetuning as a person does it: a policy from scratch and from a pretrained model, killed and gone on with, looked at,
//! compared with demonstrations, and served; and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;
#[path = "../program/mod.rs"]
mod program;
mod refusals;
mod server;
mod states;
mod train;

use std::process::Command;

use program::{LATENT_ACTIONS, Place, TOKENIZER, TRANSFORMER, runs, vipra};

const OWN: &str = r#"
[laq.train]
steps = 2
batch_size = 2
[tokenizer]
validation_frames = 8
[tokenizer.train]
steps = 10
batch_size = 4
[pretrain]
horizon = 3
validation_samples = 6
[pretrain.train]
steps = 2
batch_size = 2
[finetune]
horizon = 4
measured_actions = 2
validation_samples = 8
execution = { first = { actions = 2 } }
augmentations = 2
[finetune.action]
kind = "delta-end-effector"
units = ["px", "px", "1"]
[finetune.train]
steps = 24
batch_size = 3
accumulation = 1
log_every = 4
validate_every = 12
[finetune.train.optimizer]
learning_rate = 2e-3
[finetune.train.checkpoint]
every = 8
"#;

fn configuration() -> String {
    [LATENT_ACTIONS, TOKENIZER, TRANSFORMER, OWN].concat()
}

/// A place with a tokenizer that has hardly learned anything.
fn place() -> Place {
    let place = Place::new(&configuration());
    runs(&mut place.train(&["tokenizer", "train"], "tokenizer", &[]), 0);
    place
}

fn scratch(place: &Place, run: &str, more: &[&str]) -> Command {
    let mut command = place.train(&["finetune"], run, &["--from", "scratch"]);
    command.args(["--tokenizer", &place.path("tokenizer")]).args(more);
    command
}

fn open_loop(place: &Place, package: &str, more: &[&str]) -> Command {
    let mut command = vipra(&["policy", "open-loop", &place.path(package), "--data", place.data()]);
    command.args(more);
    command
}
