//! Recordings of the embedded simulator as a person makes them, and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;

mod program;

use program::{contains, runs, vipra};

#[test]
fn recordings_are_datasets() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let [gripper, hand, video, other] = ["gripper", "hand", "a/b.gif", "c.txt"].map(at);

    let table = ["--task", "put", "--object", "red block,yellow plate", "--split", "unseen-positions", "--seed", "5"];
    let mut record = vipra(&["sim", "record", &gripper, "--episodes", "3", "--nudges", "0.5"]);
    let said = runs(record.args(table), 0);
    contains(&said, &["3 episodes of the gripper with actions", "failed attempts, left out: "]);
    contains(&runs(&mut vipra(&["data", "inspect", &gripper]), 0), &["red block", "yellow plate"]);
    contains(&runs(&mut vipra(&["data", "check", &gripper]), 0), &["nothing wrong", "3 episodes"]);
    contains(&runs(&mut vipra(&["data", "stats", &gripper]), 0), &["rot_z_rad", "gripper_open", "observation.state"]);
    // Such data is what the preset for robots is made for.
    let mut plan = vipra(&["run", "simpler", "--data", &gripper, "--dry-run"]);
    contains(&runs(plan.current_dir(folder.path()), 0), &["finetune", "about", "nothing was done", "`gripper_open`"]);
    assert!(!folder.path().join("runs").exists(), "a plan made something");

    let record_hand = ["sim", "record", &hand, "--embodiment", "hand", "--episodes", "2", "--no-actions"];
    contains(&runs(&mut vipra(&record_hand), 0), &["2 episodes of the hand without actions"]);
    assert!(!runs(&mut vipra(&["data", "inspect", &hand]), 0).contains("observation.state"));
    contains(&runs(&mut vipra(&record_hand), 0), &["already recorded", &hand]);
    contains(&runs(vipra(&record_hand).args(["--seed", "9"]), 2), &["a finished dataset lies here", &hand]);

    let played = runs(&mut vipra(&["sim", "play", &video, "--split", "unseen-pairs", "--size", "64"]), 0);
    contains(&played, &["succeeded after", "b.gif"]);
    assert!(std::fs::read(&video).unwrap().starts_with(b"GIF"));
    contains(&runs(&mut vipra(&["sim", "play", &other, "--size", "64"]), 2), &["a video ends in .mp4 or .gif"]);
    contains(&runs(&mut vipra(&["sim", "play", &video, "--size", "65"]), 2), &["even"]);
    contains(&runs(&mut vipra(&["sim", "record", &other, "--task", "juggle"]), 2), &["put, stack, push"]);
}
