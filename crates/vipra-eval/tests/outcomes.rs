//! Outcomes that are read, summarised and compared.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

use serde_json::json;
use vipra_eval::{Header, Outcome, compare, read_outcomes, summarize};

fn header(model: &str) -> Header {
    let json = json!({"environment": "counted", "policy": "made", "fingerprints": {"model": model}});
    json.as_object().unwrap().clone()
}

/// Outcomes as the Python client writes them for SIMPLER.
const SIMPLER: &str = r#"{"environment": "simpler-maniskill3", "policy": "flow-matching", "fingerprints": {}, "execute": 7, "image_size": null}
{"task": "spoon", "episode": 0, "instruction": "put the spoon on the towel", "success_last": true, "success_any": true, "grasped": true, "steps": 60, "secs": 12.0, "latencies": [100.0, 120.5]}
{"task": "spoon", "episode": 1, "instruction": "put the spoon on the towel", "success_last": false, "success_any": true, "grasped": true, "steps": 60, "secs": 15.0, "latencies": [90.0, 130.0]}
{"task": "cube", "episode": 0, "instruction": "stack", "success_last": false, "success_any": false, "grasped": false, "steps": 60, "secs": 15.0, "latencies": []}
"#;

#[test]
fn outcomes_of_the_python_client_are_read_and_summarised() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("simpler.jsonl");
    std::fs::write(&file, SIMPLER).unwrap();
    let (_, outcomes) = read_outcomes(&file).unwrap();
    let summaries = summarize(&outcomes);
    let names: Vec<&str> = summaries.iter().map(|summary| summary.task.as_str()).collect();
    assert_eq!(names, ["cube", "spoon", ""]);
    let spoon = &summaries[1];
    assert_eq!((spoon.success_last.successes, spoon.success_any.successes, spoon.success_last.trials), (1, 2, 2));
    assert_eq!((spoon.latency_ms, spoon.steps, spoon.control_rate_hz), (Some([100.0, 130.0]), 60.0, 4.0));
    assert_eq!((summaries[0].latency_ms, summaries[0].touched), (None, None));
}

fn outcome(split: &str, episode: u64, success: bool) -> Outcome {
    let text = format!(
        r#"{{"task": "put", "split": "{split}", "seed": 1, "episode": {episode}, "instruction": "put {episode}", "success_last": {success},
        "success_any": true, "grasped": {success}, "steps": 60, "secs": 1.0, "latencies": []}}"#
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn policies_are_compared_on_the_same_episodes() {
    // The first alone succeeds at 9 episodes of `seen`, the second alone at one; both at 5 of another split.
    let first: Vec<Outcome> =
        (0..10).map(|n| outcome("seen", n, n < 9)).chain((0..5).map(|n| outcome("new", n, true))).collect();
    let second: Vec<Outcome> =
        (0..12).map(|n| outcome("seen", n, n >= 9)).chain((0..5).map(|n| outcome("new", n, true))).collect();
    let compared = compare((&header("a"), &first), (&header("b"), &second)).unwrap();
    assert_eq!(compared.unpaired, [0, 2]);
    let last: Vec<_> = compared.comparisons.iter().filter(|one| one.measure == "success, last step").collect();
    assert_eq!(last.iter().map(|one| one.split.as_str()).collect::<Vec<_>>(), ["new", "seen", ""]);
    assert_eq!(
        (last[1].only_first, last[1].only_second, last[1].first.successes, last[1].second.trials),
        (9, 1, 9, 10)
    );
    assert!((last[1].p_value - 0.021_484_375).abs() < 1e-9);
    assert_eq!((last[0].only_first, last[0].p_value), (0, 1.0));
    assert_eq!((last[2].first.trials, last[2].only_first), (15, 9));

    let mut elsewhere = header("b");
    elsewhere.insert("environment".into(), "other".into());
    assert!(compare((&header("a"), &first), (&elsewhere, &second)).is_err());
    assert!(compare((&header("a"), &first[..1]), (&header("b"), &second[1..2])).is_err(), "no episode in common");
    let mut renamed = second.clone();
    renamed[0].instruction = "another scene".into();
    assert!(
        compare((&header("a"), &first), (&header("b"), &renamed)).unwrap_err().to_string().contains("another scene")
    );
}
