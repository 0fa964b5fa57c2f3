//! What the numbers of demonstrations mean: names, units, scales, and a rate.

use vipra_control::{ActionSpace, ProprioSpace};
use vipra_data::normalize::NormalizationConfig;
use vipra_data::stats::{Collector, Stats};
use vipra_data::{Episode, Rows};

use super::config::FinetuneConfig;
use super::gripper::{gripper_fault, with_gripper};
use super::numbers::{DemonstrationSource, Difference, DimensionNames};
use super::scales::{resting_dimensions, warn_of_scales};
use crate::{Error, Result};

/// What the numbers of demonstrations mean, and on what scale they are.
#[derive(Debug, Clone)]
pub(super) struct Spaces {
    pub(super) action: ActionSpace,
    pub(super) proprio: Option<ProprioSpace>,
    pub(super) stats: Stats,
    pub(super) control_rate_hz: f64,
    /// Which numbers of an action stay what they were behind an episode's end, `[action]`: those that a robot holds, and
    /// those that rest where they are in the demonstrations, of which zero may be thousands of scales away.
    pub(super) held: Vec<bool>,
}

impl Spaces {
    /// Of the demonstrations that are learned from: statistics are theirs alone.
    ///
    /// # Errors
    /// [`Error::ActionSpace`] for datasets of different rates; [`Error::Invalid`] if it is not said what an action does, or for
    /// a dimension that its scale would blow up; statistics that are missing.
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
        let DimensionNames { action: names, state } = first.names.clone();
        let stats = statistics(sources, config)?;
        let normalization = with_gripper(normalization, sources, config, &names)?;
        let action = ActionSpace {
            kind,
            rotation: config.action.rotation,
            gripper: config.action.gripper.clone(),
            units: units(config, &names)?,
            normalizer: normalization.build(&config.action.feature, &names, &stats)?,
            names,
        };
        warn_of_scales(&normalization, &config.action.feature, &action.names, &stats)?;
        let resting = resting_dimensions(&normalization, &config.action.feature, &action.names, &stats)?;
        let held = action.held().into_iter().zip(resting).map(|(is_held, rests)| is_held || rests).collect();
        let of_actions = stats.get(&config.action.feature);
        if let (Some(gripper), Some(at), Some(stats)) = (&action.gripper, action.gripper_dimension(), of_actions)
            && let Some(reason) = gripper_fault(gripper, stats.q01[at], stats.q99[at])
        {
            tracing::warn!("{reason}: finetune.action.gripper");
        }
        let proprio = state.map(|names| {
            let normalizer = normalization.build(&config.proprio.feature, &names, &stats)?;
            warn_of_scales(&normalization, &config.proprio.feature, &names, &stats)?;
            Ok::<_, Error>(ProprioSpace { names, states: config.proprio.states, normalizer })
        });
        Ok(Self { action, proprio: proprio.transpose()?, stats, control_rate_hz: rate(sources)?, held })
    }

    /// Refuses held-out demonstrations of another kind.
    ///
    /// # Errors
    /// [`Error::ActionSpace`] for one with other dimensions or at another rate; [`Error::Invalid`] for sources without episodes.
    pub(super) fn check_held_out(&self, sources: &[DemonstrationSource]) -> Result<()> {
        let state = self.proprio.as_ref().map(|proprio| proprio.names.clone());
        let names = DimensionNames { action: self.action.names.clone(), state };
        for source in sources {
            let fault = |reason: String| {
                let path = source.source.description().root.clone();
                Err(Error::ActionSpace { reason: format!("these demonstrations are held out, and {reason}"), path })
            };
            if let Some(Difference { what, these, those }) = source.names.difference(&names) {
                return fault(format!("their {what} are {these}; those that are learned from are {those}"));
            }
            if let Some(episode) = of_other_rate(source, self.control_rate_hz) {
                let (name, found, wanted) = (&episode.name, episode.fps, self.control_rate_hz);
                return fault(format!(
                    "episode {name} has {found} actions a second; those that are learned from have {wanted}"
                ));
            }
        }
        match !sources.is_empty() && sources.iter().all(|source| source.episodes.is_empty()) {
            true => Err(Error::Invalid(
                "no demonstrations are held out: every split of data.validation is empty".to_owned(),
            )),
            false => Ok(()),
        }
    }
}

fn statistics(sources: &[DemonstrationSource], config: &FinetuneConfig) -> Result<Stats> {
    let mut collector = Collector::default();
    for episode in sources.iter().flat_map(|source| source.episodes.values()) {
        let width = sources[0].names.action.len().max(1);
        let mut rows = Rows { length: episode.actions.len() / width, ..Rows::default() };
        rows.insert(&config.action.feature, width, vipra_data::Values::F32(episode.actions.clone()))?;
        if let Some(names) = &sources[0].names.state {
            rows.insert(&config.proprio.feature, names.len(), vipra_data::Values::F32(episode.states.clone()))?;
        }
        collector.add_rows(&rows);
    }
    Ok(collector.finish())
}

/// Actions a second, the same in all episodes: a step of a chunk is a time.
fn rate(sources: &[DemonstrationSource]) -> Result<f64> {
    let first = sources.iter().find_map(|source| episodes(source).next());
    let first = first.ok_or_else(|| Error::Invalid("there are no demonstrations: every split is empty".to_owned()))?;
    for source in sources {
        if let Some(episode) = of_other_rate(source, first.fps) {
            let reason = format!("episode {} has {} actions a second, others {}", episode.name, episode.fps, first.fps);
            return Err(Error::ActionSpace { reason, path: source.source.description().root.clone() });
        }
    }
    Ok(first.fps)
}

/// The episodes that were read.
fn episodes(source: &DemonstrationSource) -> impl Iterator<Item = &Episode> {
    source.episodes.keys().map(|at| &source.source.episodes()[*at])
}

fn of_other_rate(source: &DemonstrationSource, expected: f64) -> Option<&Episode> {
    episodes(source).find(|episode| (episode.fps - expected).abs() > 1e-6 * expected)
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
    use vipra_control::ActionKind;
    use vipra_data::normalize::Normalization;
    use vipra_data::{DataConfig, SourceConfig};

    use super::*;
    use crate::finetune::ActionConfig;
    use crate::fixtures::MadeSource;

    fn config() -> FinetuneConfig {
        let action = ActionConfig { kind: Some(ActionKind::DeltaEndEffector), ..ActionConfig::default() };
        FinetuneConfig { action, ..FinetuneConfig::default() }
    }

    /// Two episodes whose actions are by these names, of which the nth number is `value(nth)`.
    fn made(fps: f64, names: &[&str], value: impl Fn(usize) -> f32) -> DemonstrationSource {
        let actions = |from: usize| (from..from + 300 * names.len()).map(&value).collect::<Vec<f32>>();
        let source = MadeSource::new(fps, names, &[actions(0), actions(300 * names.len())]);
        let (wanted, data) = (SourceConfig::new("made"), DataConfig::default());
        DemonstrationSource::read(Box::new(source), &wanted, &data, &config(), &|_, _| {}).unwrap()
    }

    fn spaces(source: DemonstrationSource, kind: Normalization) -> Result<Spaces> {
        let normalization = NormalizationConfig { default: kind, ..NormalizationConfig::default() };
        Spaces::of(&[source], &config(), &normalization)
    }

    #[test]
    fn what_turns_now_and_then_is_not_held() {
        // Dimension 1 turns in one row of 200.
        let turning = || made(5.0, &["x", "turn"], |nth| if nth % 2 == 0 || nth % 400 == 1 { 0.05 } else { 0.0 });
        for kind in [Normalization::MeanStd, Normalization::Quantile] {
            assert_eq!(spaces(turning(), kind).unwrap().held, [true, false], "{kind:?}");
        }
    }

    #[test]
    fn what_never_changes_is_held_whatever_its_scale() {
        let resting = || made(5.0, &["x", "still"], |nth| if nth % 2 == 1 { 0.3 } else { nth as f32 });
        for kind in [Normalization::MeanStd, Normalization::Quantile, Normalization::Identity] {
            assert_eq!(spaces(resting(), kind).unwrap().held, [false, true], "{kind:?}");
        }
    }

    #[test]
    fn held_out_demonstrations_of_another_kind_are_refused() {
        let spaces = spaces(made(5.0, &["x", "y"], |nth| nth as f32), Normalization::MeanStd).unwrap();
        let fault = |fps: f64, names: &[&str]| {
            let held_out = [made(5.0, &["x", "y"], |nth| nth as f32), made(fps, names, |nth| nth as f32)];
            spaces.check_held_out(&held_out).map_err(|error| error.to_string())
        };
        assert_eq!(fault(5.0, &["x", "y"]), Ok(()));
        let names = fault(5.0, &["x", "z"]).unwrap_err();
        assert!(names.contains("are held out, and their actions are x, z; those that are learned from are x, y: made"));
        let rate = fault(10.0, &["x", "y"]).unwrap_err();
        assert!(rate.contains("held out") && rate.contains("episode 0 has 10 actions a second"), "{rate}");
        assert!(rate.contains("those that are learned from have 5"), "{rate}");
    }
}
