//! Many episodes, several at a time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use vipra_control::{Execution, Observation, Policy, PolicyDescription};

use crate::environment::{Environment, Episode};
use crate::outcome::{Header, Outcome, OutcomeLog};
use crate::rollout::{Ended, Rollout};
use crate::videos::Videos;
use crate::{Error, Result};

/// The file of outcomes in the folder of an evaluation.
pub const OUTCOMES: &str = "outcomes.jsonl";

/// How episodes are run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluateOptions {
    /// How chunks become actions.
    pub execution: Execution,
    /// Episodes at a time; their chunks are inferred together.
    pub parallel: usize,
    /// Videos of the first so many successes, and failures, of each split.
    pub videos: usize,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self { execution: Execution::default(), parallel: 16, videos: 3 }
    }
}

/// Episodes of each split and seed, in this order.
pub fn plan(splits: &[String], seeds: &[u64], episodes: u64) -> Vec<Episode> {
    let of_seed = |split: &String, seed: u64| {
        let split = split.clone();
        (0..episodes).map(move |number| Episode { split: split.clone(), seed, number }).collect::<Vec<_>>()
    };
    splits.iter().flat_map(|split| seeds.iter().flat_map(move |seed| of_seed(split, *seed))).collect()
}

/// Runs the episodes of a plan that the folder has no outcomes of, and writes each as it ends. The outcomes of the whole plan.
///
/// Episodes run in groups of `parallel`, and the policy draws anew for each. What it draws for an episode depends on those that
/// run beside it: a group of which some have no outcome, because it was interrupted or the plan has grown, runs again as a
/// whole, so that it ends as if it had been whole from the beginning. `make` makes an environment; `progress` is called with
/// (done, all).
///
/// # Errors
/// [`Error::HeaderMismatch`] if the folder belongs to something else; whatever policy, environment or disk say.
pub fn evaluate(
    policy: &mut dyn Policy,
    make: &dyn Fn(&PolicyDescription) -> Result<Box<dyn Environment>>,
    plan: &[Episode],
    header: &Header,
    folder: &Path,
    options: &EvaluateOptions,
    progress: &dyn Fn(usize, usize),
) -> Result<Vec<Outcome>> {
    if options.parallel == 0 {
        return Err(Error::Invalid("no episode at a time".to_owned()));
    }
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let mut log = OutcomeLog::open(&folder.join(OUTCOMES), header)?;
    let rate_hz = policy.describe().control_rate_hz;
    let mut videos = Videos::in_folder(folder, log.outcomes(), options.videos, rate_hz)?;
    let mut rollouts = Vec::new();
    let mut done = 0;
    for group in groups(plan, options.parallel) {
        progress(done, plan.len());
        done += group.len();
        if group.iter().all(|episode| is_done(&log, episode)) {
            continue;
        }
        forget(&group[0], options.parallel, &mut log, &mut videos)?;
        while rollouts.len() < group.len() {
            let environment = make(policy.describe())?;
            rollouts.push(Rollout::new(environment, policy.describe(), options.execution, options.videos > 0)?);
        }
        run_group(policy, &mut rollouts, &group, &mut log, &mut videos)?;
    }
    progress(plan.len(), plan.len());
    let of_plan = |episode: &Episode| log.outcomes().iter().find(|outcome| outcome.is_of(episode)).cloned();
    Ok(plan.iter().filter_map(of_plan).collect())
}

/// The episodes of a plan that run side by side: those of a split and seed from a multiple of `parallel` to the next one, so
/// that a plan which grows leaves whole groups that ran as they are.
fn groups(plan: &[Episode], parallel: usize) -> Vec<Vec<Episode>> {
    let mut groups: Vec<Vec<Episode>> = Vec::new();
    let mut places: BTreeMap<Episode, usize> = BTreeMap::new();
    for episode in plan {
        let group = Episode { number: episode.number / parallel as u64, ..episode.clone() };
        let place = *places.entry(group).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(episode.clone());
    }
    groups
}

/// Forgets what became of those of an episode's group that ran without the others, also of those that are not in the plan.
fn forget(episode: &Episode, parallel: usize, log: &mut OutcomeLog, videos: &mut Videos) -> Result<()> {
    let group = |number: u64| number / parallel as u64;
    let is_of_group = |outcome: &Outcome| {
        let is_of_seed = outcome.split == episode.split && outcome.seed == episode.seed;
        is_of_seed && group(outcome.episode) == group(episode.number)
    };
    // The videos first: after a kill in between the group still runs again, and no video is left without its outcome.
    log.outcomes().iter().filter(|outcome| is_of_group(outcome)).try_for_each(|outcome| videos.forget(outcome))?;
    log.forget(&is_of_group)
}

fn is_done(log: &OutcomeLog, episode: &Episode) -> bool {
    log.outcomes().iter().any(|outcome| outcome.is_of(episode))
}

fn run_group(
    policy: &mut dyn Policy,
    rollouts: &mut [Rollout],
    group: &[Episode],
    log: &mut OutcomeLog,
    videos: &mut Videos,
) -> Result<()> {
    policy.reset();
    let rollouts = &mut rollouts[..group.len()];
    rollouts.par_iter_mut().zip(group).try_for_each(|(rollout, episode)| rollout.reset(episode))?;
    let mut running = group.len();
    while running > 0 {
        ask(policy, rollouts)?;
        let ended = rollouts.par_iter_mut().map(Rollout::step).collect::<Result<Vec<_>>>()?;
        for Ended { outcome, frames } in ended.into_iter().flatten() {
            running -= 1;
            videos.offer(&outcome, &frames)?;
            log.add(outcome)?;
        }
    }
    Ok(())
}

/// One inference for all that need a chunk now.
fn ask(policy: &mut dyn Policy, rollouts: &mut [Rollout]) -> Result<()> {
    let seen = rollouts.par_iter_mut().map(Rollout::observe).collect::<Result<Vec<_>>>()?;
    let (who, observations): (Vec<usize>, Vec<Observation>) =
        seen.into_iter().enumerate().filter_map(|(index, seen)| Some((index, seen?))).unzip();
    if observations.is_empty() {
        return Ok(());
    }
    let began = Instant::now();
    let answers = policy.infer_batch(&observations);
    let latency_ms = began.elapsed().as_secs_f64() * 1e3;
    if answers.len() != observations.len() {
        let (asked, answered) = (observations.len(), answers.len());
        return Err(Error::Invalid(format!("the policy was asked for {asked} chunks and gave {answered}")));
    }
    who.into_iter().zip(answers).try_for_each(|(index, answer)| rollouts[index].push_chunk(answer, latency_ms))
}
