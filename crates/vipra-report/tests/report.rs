//! The report of a run folder: everything that is there is on the page, and what is not is said not to be.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

mod made_run;

use std::path::Path;

use made_run::{make, write};
use serde_json::json;
use vipra_report::Error;

fn page(run: &Path) -> String {
    let file = vipra_report::write(run).unwrap();
    assert_eq!(file, run.join("report.html"));
    std::fs::read_to_string(file).unwrap()
}

fn contains(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "no {part:?}"));
}

#[test]
fn everything_of_a_run_is_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let page = page(folder.path());
    assert!(!page.contains("has not been run"), "nothing is absent");
    // 27 of 40 at any step; the interval was worked out apart.
    contains(&page, &["67.5 % [52.0, 79.9]", " of 40 episodes", "seen, pick", "First successes", "First failures"]);
    contains(
        &page,
        &["perplexity 5.2 of 8 codes", "interrupted", "900 MiB", "4.7 min", "0123456789abcdef", "2026-01-02T03:14:05Z"],
    );
    contains(
        &page,
        &["600", "80.0 min", "steps = 4000", "position 15", "does not vary", "0.43", "dx", "stack the cubes"],
    );
    contains(
        &page,
        &["Signal over noise", "the mean picture instead", "decibels", "from other clips' codes", "nats a token"],
    );
    contains(
        &page,
        &["tokens right 61.0\u{a0}%, of the current frame 55.0\u{a0}%", "3 of 9 are shown", "11 of 14 are shown"],
    );
    assert!(
        page.matches("data:image/png;base64,").count() == 2 + 1 + 2 + 3,
        "{}",
        page.matches("data:image/png").count()
    );
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("<script"),
        "it needs nothing beside it"
    );
    // A page written twice of the same is the same.
    assert_eq!(page, self::page(folder.path()));
}

#[test]
fn what_is_absent_is_said_with_the_command_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "config.toml", "[data]\n");
    std::fs::create_dir(folder.path().join("laq")).unwrap();
    let page = page(folder.path());
    contains(&page, &["How often its policy succeeds has not been measured", "There are no records of stages"]);
    for command in [
        "vipra eval",
        "vipra tokenizer train",
        "vipra laq train",
        "vipra laq report",
        "vipra pretrain",
        "vipra finetune",
    ] {
        assert!(page.contains(&format!("<code>{command}</code> has not been run yet")), "{command}");
    }
}

#[test]
fn what_readers_have_to_know_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "config.toml", "[run]\nnote = \"Nothing here is <meant>.\"\n");
    let page = page(folder.path());
    let [note, headline] = ["Nothing here is &lt;meant&gt;.", "has not been measured"].map(|text| page.find(text));
    assert!(note.is_some() && note < headline);
}

#[test]
fn episodes_of_another_policy_are_not_this_ones_success() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let name = "policy/package/policy.json";
    let package = std::fs::read_to_string(folder.path().join(name)).unwrap();
    let is_said = |page: &str| contains(page, &["has not been measured", "episodes of another policy", "seen, pick"]);
    write(folder.path(), name, &package.replace("0123456789abcdef", "00000000deadbeef"));
    is_said(&page(folder.path()));
    std::fs::remove_file(folder.path().join(name)).unwrap();
    is_said(&page(folder.path()));

    write(folder.path(), name, &package);
    assert!(!page(folder.path()).contains("another policy"));
    write(folder.path(), "evaluation/outcomes.jsonl", "");
    contains(&page(folder.path()), &["has not been measured"]);
}

#[test]
fn what_was_made_from_an_earlier_stage_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    assert!(!page(folder.path()).contains("earlier results"));
    let file = folder.path().join("stages/tokenizer.json");
    let mut record = made_run::read(&file);
    record["fingerprint"] = "another".into();
    std::fs::write(&file, record.to_string()).unwrap();
    let page = page(folder.path());
    let notes =
        ["tokenizer", "cache", "pretrain", "finetune"].map(|input| format!("made from earlier results of {input}"));
    contains(&page, &notes.each_ref().map(String::as_str));
    // A row of the stages and the part of the page: the cache has none.
    assert_eq!(page.matches("made from earlier results of").count(), 4 + 3, "{page}");
    contains(&page, &["This was made from earlier results of finetune.", "has not been measured", "seen, pick"]);
}

#[test]
fn the_first_sentence_counts_the_episodes_that_the_run_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let file = folder.path().join("stages/evaluate.json");
    let mut record = made_run::read(&file);
    let rate = |successes: u32| json!({ "successes": successes, "trials": 10 });
    record["figures"] = json!({ "splits": { "seen": { "success_any": rate(6), "success_last": rate(5) } } });
    // One that was interrupted has not counted yet.
    std::fs::write(&file, record.to_string()).unwrap();
    assert!(page(folder.path()).contains(" of 40 episodes"));
    record["state"] = "done".into();
    std::fs::write(&file, record.to_string()).unwrap();
    let page = page(folder.path());
    contains(
        &page,
        &["60.0 % [", " of 10 episodes (seen) at any step", "50.0 % [", "asks for 10 of these 40 episodes"],
    );
    assert!(!page.contains(" of 40 episodes"));
}

#[test]
fn data_that_a_run_was_given_are_counted_from_its_records() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    assert!(!page(folder.path()).contains("widow"), "what lies in the run folder is counted there");
    std::fs::remove_dir_all(folder.path().join("data/videos")).unwrap();
    contains(
        &page(folder.path()),
        &["<td>videos: widow</td><td>40</td><td>4321</td><td>14.4 min</td><td>5</td><td>4</td><td>not read</td>"],
    );
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "holiday.txt", "sun");
    write(folder.path(), "meta/info.json", "a dataset");
    write(folder.path(), "data/chunk-000/file-000.parquet", "");
    assert!(matches!(vipra_report::write(folder.path()), Err(Error::NoRun { .. })));
    assert!(!folder.path().join("report.html").exists());
    write(folder.path(), "policy/config.toml", "");
    write(folder.path(), "policy/checkpoints/step-00000001/state.json", "{}");
    assert!(matches!(vipra_report::write(&folder.path().join("policy")), Err(Error::NoRun { .. })));
    assert!(matches!(vipra_report::write("nowhere/at/all".as_ref()), Err(Error::NoRun { .. })));
}

#[test]
fn what_is_broken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    make(run);
    for name in [
        "config.toml",
        "stages/laq.json",
        "laq/metrics.jsonl",
        "laq/report/report.json",
        "pretrain/pictures/predictions.json",
        "policy/open-loop/3.json",
        "data/videos/meta/info.json",
        "data/videos.png",
        "evaluation/outcomes.jsonl",
    ] {
        let whole = std::fs::read(run.join(name)).unwrap();
        write(run, name, "}\n");
        let fault = vipra_report::write(run).unwrap_err().to_string();
        assert!(fault.ends_with(name), "{name}: {fault}");
        std::fs::write(run.join(name), whole).unwrap();
    }
    vipra_report::write(run).unwrap();
    std::fs::remove_file(run.join("pretrain/pictures/a.gif")).unwrap();
    let fault = vipra_report::write(run).unwrap_err().to_string();
    assert!(fault.starts_with("reading a picture") && fault.ends_with("a.gif"), "{fault}");
}
