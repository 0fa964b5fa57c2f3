//! What is to be done: each stage beside what is remembered of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use vipra_train::checkpoint::{differences, first_of};

use super::record::{Record, State};
use super::results::results;
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

    /// Takes note of the weights that came out of stages before it, as far as they are known. An input that had to be made
    /// again may have come out otherwise, on another machine for one: then what was made from it is made again as well.
    pub fn given(mut self, results: &BTreeMap<String, String>) -> Self {
        let of_inputs = self.stage.inputs().iter().filter_map(|input| results.get_key_value(input.name()));
        self.now.input_results = of_inputs.map(|(name, result)| (name.clone(), result.clone())).collect();
        let other = self.before.as_ref().and_then(|before| before.other_result(results));
        if let Some(name) = other
            && self.decision != Decision::Run
        {
            (self.decision, self.why) = (Decision::Run, format!("{name} came out otherwise"));
        }
        self
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
        let kept = planned.iter().filter(|planned| planned.decision == Decision::Skip);
        let kept = results(kept.filter_map(|planned| planned.before.as_ref()));
        planned.push(Planned { stage: *stage, before, now, decision, why }.given(&kept));
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
        Some(before) if before.state == State::Done && is_there => {
            (Decision::Skip, "nothing that it is made from has changed".to_owned())
        }
        // To these none are added.
        Some(before) if stage == Stage::Evaluate && before.version != now.version => {
            (Decision::Run, "another version of the program ran its episodes".to_owned())
        }
        Some(before) if before.state == State::Begun => (Decision::Resume, "was interrupted, goes on".to_owned()),
        // What is left of them may be what took long.
        Some(_) => (
            Decision::Resume,
            "some of its results are gone; what was made from them stays, unless they come out otherwise or --from says so"
                .to_owned(),
        ),
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
mod tests;
