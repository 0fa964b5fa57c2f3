//! Stages that are kept, go on, or are made again.

use serde_json::json;

use super::*;

/// A plan of all stages, with `laq` configured so, in a folder where everything that has a record is there.
fn planned(run: &Path, laq: u64, again: &BTreeSet<Stage>) -> Vec<Planned> {
    let configuration = |stage| Ok(if stage == Stage::Laq { json!({ "steps": laq }) } else { json!({}) });
    plan(run, &Stage::ALL, again, &configuration, &|_| true).unwrap()
}

fn finish(run: &Path, planned: Vec<Planned>) {
    for Planned { stage, mut now, .. } in planned {
        now.state = State::Done;
        now.write(run, stage).unwrap();
    }
}

fn made(planned: &[Planned]) -> Vec<Stage> {
    planned.iter().filter(|planned| planned.decision == Decision::Run).map(|planned| planned.stage).collect()
}

#[test]
fn only_what_is_made_from_something_else_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let first = planned(run, 1, &BTreeSet::new());
    assert_eq!(made(&first), Stage::ALL);
    finish(run, first);
    assert_eq!(made(&planned(run, 1, &BTreeSet::new())), []);

    let changed = planned(run, 2, &BTreeSet::new());
    let dependents: Vec<Stage> = Stage::Laq.with_dependents().into_iter().collect();
    assert_eq!(made(&changed), dependents);
    assert_eq!(changed[3].why, "steps: 1 before, 2 now");
    assert_eq!(changed[4].why, "other laq");
    assert_eq!(made(&planned(run, 1, &Stage::Finetune.with_dependents())), [Stage::Finetune, Stage::Evaluate]);
}

#[test]
fn a_key_that_came_later_changes_nothing_by_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let whole = serde_json::to_value(crate::config::Config::default()).unwrap();
    let planned = |steps: u64, is_known: bool| {
        let mut laq = whole["laq"].clone();
        laq["train"]["steps"] = json!(steps);
        if !is_known {
            laq["train"].as_object_mut().unwrap().remove("batch_size");
        }
        let mut data = json!({ "seed": 0 });
        if !is_known {
            data["loader"] = json!({ "prefetch": 9 });
        }
        let read = |stage| Ok(if stage == Stage::Laq { json!({ "data": data, "laq": laq }) } else { json!({}) });
        plan(run, &Stage::ALL, &BTreeSet::new(), &read, &|_| true).unwrap()
    };
    finish(run, planned(7, false));
    assert_eq!(made(&planned(7, true)), []);
    // What goes on is written down again, and is still the same.
    finish(run, planned(7, true));
    assert_eq!(made(&planned(7, true)), []);
    let changed = planned(8, true);
    assert_eq!(made(&changed).first(), Some(&Stage::Laq));
    assert_eq!(changed[3].why, "laq.train.steps: 7 before, 8 now");
}

#[test]
fn what_began_goes_on_unless_it_is_another_thing_now() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    finish(run, planned(run, 1, &BTreeSet::new()));
    let mut begun = Record::read(run, Stage::Laq).unwrap().unwrap();
    begun.state = State::Begun;
    begun.write(run, Stage::Laq).unwrap();
    assert_eq!(planned(run, 1, &BTreeSet::new())[3].decision, Decision::Resume);
    assert_eq!(planned(run, 2, &BTreeSet::new())[3].decision, Decision::Run);
}

#[test]
fn a_stage_whose_results_are_gone_goes_on_from_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    finish(run, planned(run, 1, &BTreeSet::new()));
    let gone = |stage| stage != Stage::Tokenizer;
    let planned = plan(
        run,
        &Stage::ALL,
        &BTreeSet::new(),
        &|stage| Ok(if stage == Stage::Laq { json!({ "steps": 1 }) } else { json!({}) }),
        &gone,
    )
    .unwrap();
    assert_eq!(made(&planned), []);
    assert_eq!(planned[2].decision, Decision::Resume);
    assert!(planned[2].why.contains("gone"));
}

/// Changes what is remembered of a stage.
fn edit(run: &Path, stage: Stage, edit: impl FnOnce(&mut Record)) {
    let mut record = Record::read(run, stage).unwrap().unwrap();
    edit(&mut record);
    record.write(run, stage).unwrap();
}

#[test]
fn an_evaluation_that_another_version_began_is_run_anew_and_one_that_it_finished_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    finish(run, planned(run, 1, &BTreeSet::new()));
    let of_version = |version: &str, state: State| {
        edit(run, Stage::Evaluate, |record| (record.version, record.state) = (version.to_owned(), state));
        let last = planned(run, 1, &BTreeSet::new()).pop().unwrap();
        (last.decision, last.why)
    };
    assert_eq!(of_version("0.0.1", State::Done).0, Decision::Skip);
    let (decision, why) = of_version("0.0.1", State::Begun);
    assert_eq!((decision, why.as_str()), (Decision::Run, "another version of the program ran its episodes"));
    assert_eq!(of_version(env!("CARGO_PKG_VERSION"), State::Begun).0, Decision::Resume);
    // A training goes on whatever version began it.
    edit(run, Stage::Pretrain, |record| (record.version, record.state) = ("0.0.1".to_owned(), State::Begun));
    assert_eq!(planned(run, 1, &BTreeSet::new())[5].decision, Decision::Resume);
}

#[test]
fn what_is_made_from_weights_that_came_out_otherwise_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    finish(run, planned(run, 1, &BTreeSet::new()));
    let left = |result: &str| edit(run, Stage::Laq, |record| record.result = Some(result.to_owned()));
    left("a");
    assert_eq!(made(&planned(run, 1, &BTreeSet::new())), [], "earlier versions did not know what came out");
    edit(run, Stage::Pretrain, |record| _ = record.input_results.insert("laq".to_owned(), "a".to_owned()));
    assert_eq!(made(&planned(run, 1, &BTreeSet::new())), []);
    left("b");
    let changed = planned(run, 1, &BTreeSet::new());
    assert_eq!(made(&changed), [Stage::Pretrain]);
    assert_eq!(changed[5].why, "laq came out otherwise");
    assert_eq!(changed[5].now.input_results["laq"], "b");

    // What comes out of a stage that is made again is known only then.
    let is_there = |stage| stage != Stage::Laq;
    let configuration = |stage| Ok(if stage == Stage::Laq { json!({ "steps": 1 }) } else { json!({}) });
    let mut planned = plan(run, &Stage::ALL, &BTreeSet::new(), &configuration, &is_there).unwrap();
    assert_eq!((planned[3].decision, planned[5].decision), (Decision::Resume, Decision::Skip));
    let pretrain = planned.remove(5).given(&BTreeMap::from([("laq".to_owned(), "b".to_owned())]));
    assert_eq!(pretrain.decision, Decision::Run);
}
