//! What is to be done: each stage beside what is remembered of it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use vipra_train::checkpoint::{differences, first_of};

use super::record::{Record, State};
use crate::stage::Stage;

/// A stage, and what is to be done.
#[derive(Debug)]
pub struct Planned {
    /// The stage.
    pub stage: Stage,
    /// What is remembered of it.
    pub before: Option<Record>,
    /// What it is to be made from.
    pub now: Record,
    /// What is to be done.
    pub decision: Decision,
    /// Why.
    pub why: String,
}

impl Planned {
    /// Whether all is learned, and only its use is told anew.
    pub fn is_learned(&self) -> bool {
        let finished = self.before.as_ref().filter(|before| before.state == State::Done);
        self.stage != Stage::Evaluate
            && self.decision == Decision::Resume
            && finished.is_some_and(|before| {
                before.fingerprint != self.now.fingerprint && before.same_training_recipe(&self.now, self.stage)
            })
    }
}

/// What is to be done about a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: what is there is what it would make.
    Skip,
    /// It goes on from what is there.
    Resume,
    /// It is made; what lies in its folder is another's.
    Run,
}

impl Decision {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Resume => "resume",
            Self::Run => "run",
        }
    }
}

/// Plans `stages`, which stand behind their inputs. `configuration` is what a stage reads, `is_there` whether its results lie in
/// the run folder; those of `again` are made again whatever is there.
///
/// # Errors
/// If a record cannot be read.
pub fn plan(
    run: &Path,
    stages: &[Stage],
    again: &BTreeSet<Stage>,
    configuration: &dyn Fn(Stage) -> Result<Value>,
    is_there: &dyn Fn(Stage) -> bool,
) -> Result<Vec<Planned>> {
    let mut planned: Vec<Planned> = Vec::new();
    for stage in stages {
        let inputs = stage.inputs().iter().filter_map(|input| {
            let made = planned.iter().find(|planned| planned.stage == *input)?;
            Some((input.name().to_owned(), made.now.fingerprint.clone()))
        });
        let mut now = Record::begin(*stage, configuration(*stage)?, inputs.collect());
        let before = Record::read(run, *stage)?;
        if let Some(before) = before.as_ref().filter(|before| before.same_recipe(&now, *stage)) {
            // Both, for one is that of the other.
            now.fingerprint.clone_from(&before.fingerprint);
            now.configuration.clone_from(&before.configuration);
        }
        let (decision, why) = decide(*stage, before.as_ref(), &now, again.contains(stage), is_there(*stage));
        planned.push(Planned { stage: *stage, before, now, decision, why });
    }
    Ok(planned)
}

fn decide(stage: Stage, before: Option<&Record>, now: &Record, again: bool, is_there: bool) -> (Decision, String) {
    match before {
        _ if again => (Decision::Run, "asked for by --from".to_owned()),
        None => (Decision::Run, "not made yet".to_owned()),
        Some(before) if before.fingerprint != now.fingerprint && before.same_training_recipe(now, stage) => {
            let what = if stage == Stage::Evaluate { "the episodes that ran stay" } else { "what was learned stays" };
            (Decision::Resume, format!("{}; {what}", reason(stage, before, now)))
        }
        Some(before) if before.fingerprint != now.fingerprint => (Decision::Run, reason(stage, before, now)),
        Some(before) if before.state == State::Begun => (Decision::Resume, "was interrupted, goes on".to_owned()),
        // What is left of them may be what took long.
        Some(_) if !is_there => (
            Decision::Resume,
            "some of its results are gone; what was made from them stays, unless --from says otherwise".to_owned(),
        ),
        Some(_) => (Decision::Skip, "nothing that it is made from has changed".to_owned()),
    }
}

/// Why the fingerprint is another one.
fn reason(stage: Stage, before: &Record, now: &Record) -> String {
    let mut reasons = differences(&before.upgraded_configuration(stage, now), &now.configuration);
    let changed = |(name, fingerprint): (&String, &String)| {
        (before.inputs.get(name) != Some(fingerprint)).then(|| format!("other {name}"))
    };
    reasons.extend(now.inputs.iter().filter_map(changed));
    match reasons.is_empty() {
        true => "another version of the program made it".to_owned(),
        false => first_of(&reasons),
    }
}

#[cfg(test)]
mod tests {
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
}
