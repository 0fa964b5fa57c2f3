//! Evaluation as a person does it: a policy of the embedded gripper acts, is reported and compared; and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;
mod program;

use std::path::Path;
use std::process::Command;

use program::{TOKENIZER, TRANSFORMER, contains, runs, vipra};
use serde_json::Value;

const OWN: &str = r#"
[tokenizer]
validation_frames = 8
[tokenizer.train]
steps = 3
batch_size = 4
[finetune.action]
kind = "delta-end-effector"
rotation = "rotation-vector"
gripper = { dimension = "gripper_open", open = 1.0, closed = -1.0 }
[finetune]
validation_samples = 2
[finetune.train]
steps = 2
batch_size = 2
accumulation = 1
"#;

/// What the policy is made for, if not for everything.
const FEW: &str = r#"
[run.tabletop]
tasks = ["put"]
objects = ["red block", "yellow plate"]
"#;

/// The run of a policy that has learned next to nothing.
fn policy(folder: &Path, made_for: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let [data, config, tokenizer, run] = ["data", "config.toml", "tokenizer", "run"].map(at);
    std::fs::write(&config, [TOKENIZER, TRANSFORMER, OWN, made_for].concat()).unwrap();
    runs(&mut vipra(&["sim", "record", &data, "--episodes", "3"]), 0);
    runs(&mut vipra(&["tokenizer", "train", &data, "--config", &config, "--run", &tokenizer]), 0);
    runs(&mut finetune(folder), 0);
    run
}

fn finetune(folder: &Path) -> Command {
    let at = |name: &str| folder.join(name).display().to_string();
    let [data, config, tokenizer, run] = ["data", "config.toml", "tokenizer", "run"].map(at);
    vipra(&["finetune", &data, "--config", &config, "--from", "scratch", "--tokenizer", &tokenizer, "--run", &run])
}

#[test]
fn a_policy_acts_at_the_tabletop() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (run, out) = (policy(folder.path(), ""), at("out"));
    let eval = |more: &[&str]| {
        let mut command = vipra(&["eval", &run, "--episodes", "2", "--parallel", "2", "--out", &out, "--videos", "1"]);
        command.args(more);
        command
    };
    let told = runs(&mut eval(&["--split", "seen,unseen-pairs"]), 0);
    contains(&told, &["last step", "any step", "grasped", "unseen-pairs", "% [", "Wilson"]);
    let lines = std::fs::read_to_string(format!("{out}/outcomes.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 1 + 4, "{lines}");
    let header: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(header["environment"], "tabletop");
    assert_eq!(header["version"], env!("CARGO_PKG_VERSION"));
    let page = std::fs::read_to_string(format!("{out}/report.html")).unwrap();
    contains(&page, &["data:image/gif;base64,", "unseen-pairs"]);

    // What is there is not run again, and goes on under other seeds.
    runs(&mut eval(&["--split", "seen,unseen-pairs"]), 0);
    assert_eq!(std::fs::read_to_string(format!("{out}/outcomes.jsonl")).unwrap(), lines);
    runs(&mut eval(&["--split", "seen", "--seeds", "2"]), 0);
    assert_eq!(std::fs::read_to_string(format!("{out}/outcomes.jsonl")).unwrap().lines().count(), 1 + 6);
    contains(&runs(&mut eval(&["--execute", "14"]), 2), &["execution", "outcomes.jsonl"]);
    contains(&runs(&mut eval(&["--split", "sen"]), 2), &["no split `sen`", "unseen-positions"]);

    let told = runs(&mut vipra(&["eval", "compare", &out, &out, "--json"]), 0);
    let compared: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(compared["comparisons"][0]["p_value"], 1.0);
    contains(&runs(&mut vipra(&["eval", "report", &out, "--out", &at("all.html")]), 0), &["seen", "n"]);
    contains(&runs(&mut vipra(&["eval", "report", &at("nothing")]), 2), &["nothing"]);
}

#[test]
fn a_policy_made_for_few_objects_is_asked_for_what_can_be_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let run = policy(folder.path(), FEW);
    let eval = |out: &str, more: &[&str]| {
        let mut command =
            vipra(&["eval", &run, "--episodes", "1", "--parallel", "1", "--videos", "0", "--out", &at(out)]);
        command.args(more);
        command
    };
    let told = runs(&mut eval("default", &[]), 0);
    contains(&told, &["objects: red block, yellow plate", "skipping the split `unseen-pairs`", "unseen-positions"]);
    let lines = std::fs::read_to_string(at("default/outcomes.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 1 + 2, "{lines}");
    // The page is of all that is there, whatever was asked for last.
    let told = runs(&mut eval("default", &["--split", "seen"]), 0);
    assert!(!told.contains("unseen-positions"), "{told}");
    contains(&std::fs::read_to_string(at("default/report.html")).unwrap(), &["unseen-positions"]);

    contains(&runs(&mut eval("named", &["--split", "seen,unseen-pairs"]), 2), &["`unseen-pairs` cannot be shown"]);
    assert!(!Path::new(&at("named")).exists(), "what could not begin left a folder");

    // What only one split shows lies on the table where it is asked for.
    let new = ["--task", "put", "--object", "green block,yellow plate", "--split", "unseen-pairs"];
    runs(&mut eval("new", &new), 0);
    contains(&std::fs::read_to_string(at("new/outcomes.jsonl")).unwrap(), &["green block", "unseen-pairs"]);
    contains(&runs(&mut eval("new", &new[..4]), 2), &["the split `seen` never shows a green block"]);

    // How a policy acts is told anew, and averaged chunks are what it acts by.
    let averaged = ["--set", "finetune.execution={ensemble={decay=0.1}}"];
    runs(finetune(folder.path()).args(averaged), 0);
    runs(&mut eval("averaged", &["--split", "seen"]), 0);
    let outcomes = std::fs::read_to_string(at("averaged/outcomes.jsonl")).unwrap();
    contains(&outcomes, &[r#""execution":{"ensemble":{"decay":0.1}}"#]);
    assert_eq!(outcomes.lines().count(), 1 + 1);

    let held = std::fs::File::create(at("new/run.lock")).unwrap();
    held.lock().unwrap();
    contains(&runs(&mut eval("new", &new), 2), &["another process works in this", &at("new")]);
}
