//! What the numbers of demonstrations mean: names, units, scales, and a rate.

use vipra_control::{ActionSpace, Gripper, ProprioSpace};
use vipra_data::Rows;
use vipra_data::normalize::NormalizationConfig;
use vipra_data::stats::{Collector, Stats};

use super::config::FinetuneConfig;
use super::numbers::{Columns, DemonstrationSource};
use crate::{Error, Result};

/// How far a gripper may go beyond open and closed, as a share of the way between them.
const GRIPPER_SLACK: f64 = 0.1;

/// What the numbers of demonstrations mean, and on what scale they are.
#[derive(Debug, Clone)]
pub(super) struct Spaces {
    pub(super) action: ActionSpace,
    pub(super) proprio: Option<ProprioSpace>,
    pub(super) stats: Stats,
    pub(super) control_rate_hz: f64,
    /// Which numbers of an action stay what they were behind an episode's end, `[action]`: those that a robot holds, and
    /// those that never change in the demonstrations, of which zero would be thousands of scales away.
    pub(super) held: Vec<bool>,
}

impl Spaces {
    /// Of the demonstrations that are learned from: statistics are theirs alone.
    ///
    /// # Errors
    /// [`Error::ActionSpace`] for datasets of different rates; [`Error::Invalid`] if it is not said what an action does;
    /// statistics that are missing.
    pub(super) fn of(
        sources: &[DemonstrationSource],
        config: &FinetuneConfig,
        normalization: &NormalizationConfig,
    ) -> Result<Self> {
        let first = sources.first().ok_or_else(|| Error::Invalid("there are no demonstrations".to_owned()))?;
        let kind = config.action.kind.ok_or_else(|| {
            let reason = "say what an action does: finetune.action.kind is `delta-end-effector` or `absolute`";
            Error::Invalid(reason.to_owned())
        })?;
        let Columns { action: names, state } = first.columns.clone();
        let stats = statistics(sources, config)?;
        let features = sources.iter().flat_map(|source| &source.source.description().features);
        let numeric = features.filter(|(_, feature)| feature.dtype.is_numeric());
        normalization.check(numeric.map(|(name, feature)| (name.as_str(), feature.dimension_names())))?;
        let mut normalization = normalization.clone();
        if let Some(gripper) = &config.action.gripper {
            if !names.contains(&gripper.dimension) {
                return Err(Error::Invalid(format!(
                    "there is no dimension `{}` among those of an action ({}): set finetune.action.gripper, or unset it for a robot \
                     without a gripper",
                    gripper.dimension,
                    names.join(", ")
                )));
            }
            let kept = normalization.identity_dimensions.entry(config.action.feature.clone()).or_default();
            if !kept.contains(&gripper.dimension) {
                kept.push(gripper.dimension.clone());
            }
        }
        let action = ActionSpace {
            kind,
            rotation: config.action.rotation,
            gripper: config.action.gripper.clone(),
            units: units(config, &names)?,
            normalizer: normalization.build(&config.action.feature, &names, &stats)?,
            names,
        };
        let mut held = action.held();
        for constant in normalization.raised_dimensions(&config.action.feature, &action.names, &stats)? {
            held[constant] = true;
        }
        let of_actions = stats.get(&config.action.feature);
        if let (Some(gripper), Some(at), Some(stats)) = (&action.gripper, action.gripper_dimension(), of_actions)
            && let Some(reason) = gripper_fault(gripper, stats.q01[at], stats.q99[at])
        {
            tracing::warn!("{reason}: finetune.action.gripper");
        }
        let proprio = state.map(|names| {
            let normalizer = normalization.build(&config.proprio.feature, &names, &stats)?;
            Ok::<_, Error>(ProprioSpace { names, states: config.proprio.states, normalizer })
        });
        Ok(Self { action, proprio: proprio.transpose()?, stats, control_rate_hz: rate(sources)?, held })
    }

    /// Refuses demonstrations of another kind.
    pub(super) fn check(&self, sources: &[DemonstrationSource]) -> Result<()> {
        let fault = |reason: String, source: &DemonstrationSource| {
            Err(Error::ActionSpace { reason, path: source.source.description().root.clone() })
        };
        for source in sources {
            let Columns { action, state } = &source.columns;
            if *action != self.action.names {
                return fault(format!("actions are {action:?}, the policy's {:?}", self.action.names), source);
            }
            let names = self.proprio.as_ref().map(|proprio| &proprio.names);
            if state.as_ref() != names {
                return fault(format!("states are {state:?}, the policy's {names:?}"), source);
            }
        }
        let rate = if sources.is_empty() { self.control_rate_hz } else { rate(sources)? };
        match (rate - self.control_rate_hz).abs() < 1e-6 * rate {
            true => Ok(()),
            false => fault(format!("{rate} actions a second, the policy's {}", self.control_rate_hz), &sources[0]),
        }
    }
}

/// That the gripper moves in another range than it is said to: a policy would never close it, or half.
fn gripper_fault(gripper: &Gripper, least: f64, most: f64) -> Option<String> {
    let Gripper { dimension, open, closed } = gripper;
    let (low, high) = (open.min(*closed), open.max(*closed));
    let slack = GRIPPER_SLACK * (high - low);
    let fits = least >= low - slack && most <= high + slack && most - least >= (high - low) / 2.0;
    (!fits).then(|| {
        format!(
            "`{dimension}` is said to be {open} where the gripper is open and {closed} where it is closed, and goes from {least} to \
             {most} in the demonstrations"
        )
    })
}

fn statistics(sources: &[DemonstrationSource], config: &FinetuneConfig) -> Result<Stats> {
    let mut collector = Collector::default();
    for episode in sources.iter().flat_map(|source| source.episodes.values()) {
        let width = sources[0].columns.action.len().max(1);
        let mut rows = Rows { length: episode.actions.len() / width, ..Rows::default() };
        rows.insert(&config.action.feature, width, vipra_data::Values::F32(episode.actions.clone()))?;
        if let Some(names) = &sources[0].columns.state {
            rows.insert(&config.proprio.feature, names.len(), vipra_data::Values::F32(episode.states.clone()))?;
        }
        collector.add_rows(&rows);
    }
    Ok(collector.finish())
}

/// Actions a second, the same in all episodes: a step of a chunk is a time.
fn rate(sources: &[DemonstrationSource]) -> Result<f64> {
    let mut found = None;
    for source in sources {
        for at in source.episodes.keys() {
            let episode = &source.source.episodes()[*at];
            let expected = *found.get_or_insert(episode.fps);
            if (episode.fps - expected).abs() > 1e-6 * expected {
                let reason =
                    format!("episode {} has {} actions a second, others {expected}", episode.name, episode.fps);
                return Err(Error::ActionSpace { reason, path: source.source.description().root.clone() });
            }
        }
    }
    found.ok_or_else(|| Error::Invalid("there are no demonstrations: every split is empty".to_owned()))
}

fn units(config: &FinetuneConfig, names: &[String]) -> Result<Vec<String>> {
    if config.action.units.is_empty() {
        let unit = |name: &String| match name.rsplit_once('_') {
            Some((_, unit @ ("m" | "rad" | "deg" | "mm" | "s"))) => unit.to_owned(),
            _ => "1".to_owned(),
        };
        return Ok(names.iter().map(unit).collect());
    }
    if config.action.units.len() != names.len() {
        let (units, dimensions) = (config.action.units.len(), names.len());
        return Err(Error::Invalid(format!(
            "finetune.action.units are {units}, but an action has {dimensions} numbers"
        )));
    }
    Ok(config.action.units.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault([open, closed]: [f64; 2], [least, most]: [f64; 2]) -> Option<String> {
        gripper_fault(&Gripper { dimension: "gripper".to_owned(), open, closed }, least, most)
    }

    #[test]
    fn a_gripper_that_moves_otherwise_than_said_is_found() {
        assert_eq!(fault([1.0, -1.0], [-1.0, 1.0]), None);
        assert_eq!(fault([0.0, 1.0], [0.05, 1.04]), None);
        assert!(fault([1.0, 0.0], [-1.0, 1.0]).unwrap().contains("goes from -1 to 1 in the demonstrations"));
        assert!(fault([1.0, -1.0], [0.0, 0.04]).is_some(), "metres, for instance");
    }
}
