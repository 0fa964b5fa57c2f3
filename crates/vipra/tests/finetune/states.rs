//! A policy that sees the robot's states, asked as a library and over the network.

use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};
use vipra_control::{Observation, Policy};
use vipra_data::Frame;
use vipra_policy::policy::Package;

use crate::place;
use crate::program::{Place, contains, runs, vipra};
use crate::server::Served;

#[test]
fn a_policy_that_sees_states_is_asked_and_served() {
    let place = place();
    let tabletop = place.path("tabletop");
    runs(&mut vipra(&["sim", "record", &tabletop, "--embodiment", "gripper", "--episodes", "2"]), 0);
    let mut finetune = vipra(&["finetune", &tabletop, "--from", "scratch", "--config"]);
    finetune.arg(&place.config);
    finetune.args(["--tokenizer", &place.path("tokenizer"), "--run", &place.path("run")]);
    let settings = [
        "finetune.action.units=[]",
        "finetune.fields=\"[instruction],[vision],[proprio],action\"",
        "finetune.proprio.states=1",
        "finetune.train.steps=1",
    ];
    finetune.args(settings.iter().flat_map(|setting| ["--set", *setting]));
    runs(&mut finetune, 0);
    let width = what_it_cannot_read_is_refused_alone(&place);
    it_is_served(&place, width);
}

/// What one client asks for must not fail what others ask for at the same time. Returns the dimensions of a state.
fn what_it_cannot_read_is_refused_alone(place: &Place) -> usize {
    let package = Package::open(Path::new(&place.path("run"))).unwrap();
    let mut policy = package.into_policy(&Device::flex()).unwrap();
    let width = policy.describe().proprio.as_ref().unwrap().names.len();
    let asked = |instruction: &str, state: f32| Observation {
        instruction: instruction.to_owned(),
        frames: [Frame::new(64, 64), Frame::new(64, 64)],
        proprio: vec![vec![state; width]],
    };
    let observations = [asked("put it down", 0.0), asked("put it down", 3e38), asked(&"put ".repeat(2000), 0.0)];
    let [fine, far, long] = policy.infer_batch(&observations).try_into().unwrap();
    assert_eq!(fine.unwrap().actions.len(), policy.describe().horizon);
    contains(&far.unwrap_err().to_string(), &["of state 0 is", "scales away from what was learned from"]);
    contains(&long.unwrap_err().to_string(), &["8000 bytes, at most 4096 are read"]);
    width
}

fn it_is_served(place: &Place, width: usize) {
    let token = place.path("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let served = Served::start(vipra(&["serve", &place.path("run"), "--port", "0", "--token-file", &token]));
    served.wait_until_healthy();
    let task = json!({ "task_description": "put it down" }).to_string();
    assert_eq!(served.post("/reset", None, &task).0, 401);
    let image = vec![vec![[90; 3]; 16]; 16];
    let mut step = json!({ "image": [image, image], "task_description": "put it down", "state": [vec![0.0; width]] });
    let (status, answer) = served.post("/step", Some("s3cret"), &step.to_string());
    assert_eq!(status, 200, "{answer}");
    let chunk: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(chunk["raw_actions"].as_array().unwrap().len(), 4, "{answer}");
    step.as_object_mut().unwrap().remove("state");
    let (status, answer) = served.post("/step", Some("s3cret"), &step.to_string());
    assert_eq!(status, 422, "{answer}");
    contains(&answer, &["--http-assume-state"]);
    assert_eq!(served.interrupt(), Some(0));
}
