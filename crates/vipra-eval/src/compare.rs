//! Two policies on the same episodes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::outcome::{Header, Outcome};
use crate::statistics::{Rate, mcnemar};
use crate::{Error, Result};

/// One measure of two policies on the same episodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Where episodes begin; empty for all of them.
    pub split: String,
    /// What is compared, such as `success, last step`.
    pub measure: &'static str,
    /// Of the first policy.
    pub first: Rate,
    /// Of the second policy.
    pub second: Rate,
    /// Episodes at which the first alone succeeded.
    pub only_first: usize,
    /// Episodes at which the second alone succeeded.
    pub only_second: usize,
    /// How likely so uneven a split is by chance: McNemar's exact test, two-sided.
    pub p_value: f64,
}

/// Two files of outcomes beside each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Each split's measures, and those of all where there are several.
    pub comparisons: Vec<Comparison>,
    /// Episodes that only one of them has.
    pub unpaired: [usize; 2],
}

type Measure = (&'static str, fn(&Outcome) -> bool);

const MEASURES: [Measure; 3] = [
    ("success, last step", |outcome| outcome.success_last),
    ("success, any step", |outcome| outcome.success_any),
    ("grasped", |outcome| outcome.grasped),
];

/// Pairs the outcomes of the same episodes.
///
/// # Errors
/// [`Error::Invalid`] if they are of different environments, share no episode, or an episode is not the same in both.
pub fn compare(first: (&Header, &[Outcome]), second: (&Header, &[Outcome])) -> Result<Compared> {
    let environments = [first.0, second.0].map(|header| header.get("environment"));
    if environments[0] != environments[1] {
        let [a, b] = environments.map(|name| name.and_then(|name| name.as_str()).unwrap_or("unknown"));
        return Err(Error::Invalid(format!("outcomes in different environments: {a} and {b}")));
    }
    let others: BTreeMap<_, &Outcome> = second.1.iter().map(|outcome| (outcome.key(), outcome)).collect();
    let pairs: Vec<(&Outcome, &Outcome)> =
        first.1.iter().filter_map(|outcome| Some((outcome, *others.get(&outcome.key())?))).collect();
    if pairs.is_empty() {
        return Err(Error::Invalid("no episode is in both files".to_owned()));
    }
    if let Some((a, b)) = pairs.iter().find(|(a, b)| a.instruction != b.instruction) {
        let (episode, seed) = (a.episode, a.seed);
        let (one, other) = (&a.instruction, &b.instruction);
        return Err(Error::Invalid(format!("episode {episode} of seed {seed} is not the same: {one:?} and {other:?}")));
    }
    let mut splits: Vec<&str> = pairs.iter().map(|(outcome, _)| outcome.split.as_str()).collect();
    splits.sort_unstable();
    splits.dedup();
    let mut comparisons = Vec::new();
    for split in &splits {
        let of_split: Vec<_> = pairs.iter().copied().filter(|(outcome, _)| outcome.split == *split).collect();
        comparisons.extend(MEASURES.map(|measure| comparison(split, measure, &of_split)));
    }
    if splits.len() > 1 {
        comparisons.extend(MEASURES.map(|measure| comparison("", measure, &pairs)));
    }
    Ok(Compared { comparisons, unpaired: [first.1.len() - pairs.len(), second.1.len() - pairs.len()] })
}

fn comparison(split: &str, (measure, holds): Measure, pairs: &[(&Outcome, &Outcome)]) -> Comparison {
    let count = |wanted: [bool; 2]| pairs.iter().filter(|(a, b)| [holds(a), holds(b)] == wanted).count();
    let (only_first, only_second) = (count([true, false]), count([false, true]));
    Comparison {
        split: split.to_owned(),
        measure,
        first: Rate::of(pairs.iter().map(|(outcome, _)| holds(outcome))),
        second: Rate::of(pairs.iter().map(|(_, outcome)| holds(outcome))),
        only_first,
        only_second,
        p_value: mcnemar(only_first, only_second),
    }
}
