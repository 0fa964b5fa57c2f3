//! Evaluation as a person does it: a policy of the embedded gripper acts, is reported and compared; and what goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

#[path = "../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;
mod program;

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

fn configuration() -> String {
    [TOKENIZER, TRANSFORMER, OWN].concat()
}

#[test]
fn a_policy_acts_at_the_tabletop() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let [data, config, tokenizer, run, out] = ["data", "config.toml", "tokenizer", "run", "out"].map(at);
    std::fs::write(&config, configuration()).unwrap();
    runs(&mut vipra(&["sim", "record", &data, "--episodes", "3"]), 0);
    runs(&mut vipra(&["tokenizer", "train", &data, "--config", &config, "--run", &tokenizer]), 0);
    let finetune =
        ["finetune", &data, "--config", &config, "--from", "scratch", "--tokenizer", &tokenizer, "--run", &run];
    runs(&mut vipra(&finetune), 0);

    let eval = |more: &[&str]| {
        let mut command = vipra(&["eval", &run, "--episodes", "2", "--out", &out, "--videos", "1"]);
        command.args(more);
        command
    };
    let told = runs(&mut eval(&["--split", "seen,unseen-pairs"]), 0);
    contains(&told, &["last step", "any step", "grasped", "unseen-pairs", "% [", "Wilson"]);
    let lines = std::fs::read_to_string(format!("{out}/outcomes.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 1 + 4, "{lines}");
    let header: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(header["environment"], "tabletop");
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
