//! What outcomes come to.

use serde::Serialize;

use crate::outcome::Outcome;
use crate::statistics::{Rate, quantile};

/// Rates and times of some outcomes. Every rate has its number of trials.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Where episodes begin; empty for all of them.
    pub split: String,
    /// The kind of task; empty for all of them.
    pub task: String,
    /// Success at the last step.
    pub success_last: Rate,
    /// Success at any step.
    pub success_any: Rate,
    /// The object was between the fingers.
    pub grasped: Rate,
    /// The robot touched the object; None where nobody looked.
    pub touched: Option<Rate>,
    /// Another object was moved; None where nobody looked.
    pub moved_wrong: Option<Rate>,
    /// Actions of an episode, median.
    pub steps: f64,
    /// Wait for a chunk, median and 95 %, in milliseconds.
    pub latency_ms: Option<[f64; 2]>,
    /// Actions a second of one robot beside those that ran at the same time, median.
    pub control_rate_hz: f64,
}

impl Summary {
    fn of(split: &str, task: &str, outcomes: &[&Outcome]) -> Self {
        let rate = |holds: fn(&Outcome) -> bool| Rate::of(outcomes.iter().map(|outcome| holds(outcome)));
        let known = |fact: fn(&Outcome) -> Option<bool>| {
            let known: Vec<bool> = outcomes.iter().filter_map(|outcome| fact(outcome)).collect();
            (!known.is_empty()).then(|| Rate::of(known))
        };
        let median = |value: fn(&Outcome) -> f64| {
            quantile(&outcomes.iter().map(|outcome| value(outcome)).collect::<Vec<_>>(), 0.5).unwrap_or(0.0)
        };
        let latencies: Vec<f64> = outcomes.iter().flat_map(|outcome| &outcome.latencies).copied().collect();
        Self {
            split: split.to_owned(),
            task: task.to_owned(),
            success_last: rate(|outcome| outcome.success_last),
            success_any: rate(|outcome| outcome.success_any),
            grasped: rate(|outcome| outcome.grasped),
            touched: known(|outcome| outcome.touched),
            moved_wrong: known(|outcome| outcome.moved_wrong),
            steps: median(|outcome| outcome.steps as f64),
            latency_ms: quantile(&latencies, 0.5).zip(quantile(&latencies, 0.95)).map(|(half, most)| [half, most]),
            control_rate_hz: median(|outcome| outcome.steps as f64 / outcome.secs.max(1e-9)),
        }
    }
}

/// A summary of each split and task, of each split with several tasks, and of all where there are several splits.
pub fn summarize(outcomes: &[Outcome]) -> Vec<Summary> {
    let mut summaries = Vec::new();
    let splits = distinct(outcomes.iter().map(|outcome| outcome.split.as_str()));
    for split in &splits {
        let of_split: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.split == *split).collect();
        let mut tasks = distinct(of_split.iter().map(|outcome| outcome.task.as_str()));
        tasks.sort_unstable();
        for task in &tasks {
            let of_task: Vec<&Outcome> = of_split.iter().copied().filter(|outcome| outcome.task == *task).collect();
            summaries.push(Summary::of(split, task, &of_task));
        }
        if tasks.len() > 1 {
            summaries.push(Summary::of(split, "", &of_split));
        }
    }
    if splits.len() > 1 {
        summaries.push(Summary::of("", "", &outcomes.iter().collect::<Vec<_>>()));
    }
    summaries
}

/// In the order of their first appearance.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    names.for_each(|name| {
        if !found.contains(&name) {
            found.push(name);
        }
    });
    found
}
