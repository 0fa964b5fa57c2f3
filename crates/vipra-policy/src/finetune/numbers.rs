//! Actions and states of demonstrations, read whole: they are small.

use std::collections::BTreeMap;

use vipra_control::{ActionSpace, Gripper, ProprioSpace};
use vipra_data::normalize::NormalizationConfig;
use vipra_data::stats::{Collector, Stats};
use vipra_data::{DataConfig, Rows, Source, SourceConfig};

use super::config::FinetuneConfig;
use crate::{Error, Result};

/// How far a gripper may go beyond open and closed, as a share of the way between them.
const GRIPPER_SLACK: f64 = 0.1;

/// A dataset of demonstrations, open.
pub(super) struct DemonstrationSource {
    pub(super) source: Box<dyn Source>,
    pub(super) camera: String,
    pub(super) weight: f64,
    /// By position of the episode in the source.
    pub(super) episodes: BTreeMap<usize, EpisodeNumbers>,
    columns: Columns,
}

/// Numbers of one episode, in the robot's units.
pub(super) struct EpisodeNumbers {
    /// `[length, action]`
    pub(super) actions: Vec<f32>,
    /// `[length, state]`; empty for policies that see none.
    pub(super) states: Vec<f32>,
}

/// Names of the dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Columns {
    action: Vec<String>,
    state: Option<Vec<String>>,
}

/// Reads the numbers of all chosen episodes. `progress` is told (episodes read, all) of each dataset.
///
/// # Errors
/// [`Error::ActionSpace`] for datasets whose dimensions differ; a feature that is missing, a number that is none.
pub(super) fn open_all(
    sources: &[SourceConfig],
    data: &DataConfig,
    config: &FinetuneConfig,
    progress: &dyn Fn(usize, usize),
) -> Result<Vec<DemonstrationSource>> {
    let open = sources.iter().map(|source| DemonstrationSource::open(source, data, config, progress));
    let open = open.collect::<Result<Vec<_>>>()?;
    if let Some(other) = open.iter().find(|other| other.columns != open[0].columns) {
        return Err(Error::ActionSpace {
            reason: format!("dimensions are {:?}, those of the first dataset {:?}", other.columns, open[0].columns),
            path: other.source.description().root.clone(),
        });
    }
    Ok(open)
}

impl DemonstrationSource {
    fn open(
        wanted: &SourceConfig,
        data: &DataConfig,
        config: &FinetuneConfig,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Self> {
        let source = data.open(wanted, &|_, _| {})?;
        let description = source.description();
        let numeric = description.features.iter().filter(|(_, feature)| feature.dtype.is_numeric());
        let names = |feature: &str, advice: &str| {
            let known = numeric.clone().find(|(name, _)| *name == feature);
            known.map(|(_, known)| known.dimension_names()).ok_or_else(|| {
                let all: Vec<&str> = numeric.clone().map(|(name, _)| name.as_str()).collect();
                let reason =
                    format!("there is no feature `{feature}` of numbers (there are: {}); {advice}", all.join(", "));
                Error::ActionSpace { reason, path: description.root.clone() }
            })
        };
        let of_states = || {
            let advice = "set finetune.proprio.feature, or leave `[proprio]` out of finetune.fields";
            names(&config.proprio.feature, advice)
        };
        let columns = Columns {
            action: names(
                &config.action.feature,
                "a policy is finetuned on demonstrations: set finetune.action.feature",
            )?,
            state: config.sees_proprio().then(of_states).transpose()?,
        };
        let camera = description.camera(wanted.camera.as_deref())?.to_owned();
        let chosen = description.split(wanted.split.as_deref(), source.episodes())?;
        let mut episodes = BTreeMap::new();
        for (done, at) in chosen.iter().enumerate() {
            progress(done, chosen.len());
            let rows = source.rows(*at)?;
            let number = |feature: &str| numbers(source.as_ref(), *at, &rows, feature);
            let states = if config.sees_proprio() { number(&config.proprio.feature)? } else { Vec::new() };
            episodes.insert(*at, EpisodeNumbers { actions: number(&config.action.feature)?, states });
        }
        progress(chosen.len(), chosen.len());
        Ok(Self { camera, weight: wanted.weight, episodes, columns, source })
    }
}

/// Numbers of a feature of an episode, all of them finite.
fn numbers(source: &dyn Source, episode: usize, rows: &Rows, feature: &str) -> Result<Vec<f32>> {
    let (values, width) = rows.numbers(feature)?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (frame, dimension) = (at / width.max(1), at % width.max(1));
        let name = &source.episodes()[episode].name;
        return Err(Error::ActionSpace {
            reason: format!(
                "`{feature}` of frame {frame} of episode {name} is {} in dimension {dimension}",
                values[at]
            ),
            path: source.description().root.clone(),
        });
    }
    Ok(values.into_iter().map(|value| value as f32).collect())
}

/// What the numbers of demonstrations mean, and on what scale they are.
#[derive(Debug, Clone)]
pub(super) struct Spaces {
    pub(super) action: ActionSpace,
    pub(super) proprio: Option<ProprioSpace>,
    pub(super) stats: Stats,
    pub(super) control_rate_hz: f64,
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
        Ok(Self { action, proprio: proprio.transpose()?, stats, control_rate_hz: rate(sources)? })
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
