//! Actions and states of demonstrations, read whole: they are small.

use std::collections::BTreeMap;

use vipra_data::source::Skipped;
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, OnError, Rows, Source, SourceConfig};

use super::config::FinetuneConfig;
use crate::{Error, Result};

/// A dataset of demonstrations, open.
pub(super) struct DemonstrationSource {
    pub(super) source: Box<dyn Source>,
    pub(super) camera: String,
    pub(super) weight: f64,
    /// By position of the episode in the source.
    pub(super) episodes: BTreeMap<usize, EpisodeNumbers>,
    /// What was left out because it is broken.
    pub(super) skipped: Vec<Skipped>,
    pub(super) columns: Columns,
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
pub(super) struct Columns {
    pub(super) action: Vec<String>,
    pub(super) state: Option<Vec<String>>,
}

/// Reads the numbers of all chosen episodes of datasets that count. `progress` is told (episodes read, all) of each dataset.
///
/// # Errors
/// [`Error::ActionSpace`] for datasets whose dimensions differ; a feature that is missing, a number that is none, unless
/// broken episodes are left out; [`Error::Invalid`] if too many are.
pub(super) fn open_all(
    sources: &[SourceConfig],
    data: &DataConfig,
    config: &FinetuneConfig,
    progress: &dyn Fn(usize, usize),
) -> Result<Vec<DemonstrationSource>> {
    // What is never drawn says nothing of scales and rates.
    let counting = sources.iter().filter(|source| source.weight > 0.0);
    let open = counting.map(|source| DemonstrationSource::open(source, data, config, progress));
    let open = open.collect::<Result<Vec<_>>>()?;
    if let Some(other) = open.iter().find(|other| other.columns != open[0].columns) {
        return Err(Error::ActionSpace {
            reason: format!("dimensions are {:?}, those of the first dataset {:?}", other.columns, open[0].columns),
            path: other.source.description().root.clone(),
        });
    }
    let (skipped, limit) = (open.iter().flat_map(|source| &source.skipped), data.skip_limit);
    let reasons: Vec<&str> = skipped.map(|skipped| skipped.reason.as_str()).collect();
    if reasons.len() > limit {
        let reasons = reasons.join("\n  ");
        return Err(Error::Invalid(format!("more than {limit} episodes were skipped (data.skip_limit):\n  {reasons}")));
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
                let reason = match all.is_empty() {
                    true => format!("no demonstrations: there is no `{feature}`, and there are no numbers at all"),
                    false => {
                        format!("there is no feature `{feature}` of numbers (there are: {}); {advice}", all.join(", "))
                    }
                };
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
        let mut skipped = description.skipped.clone();
        let mut episodes = BTreeMap::new();
        for (done, at) in chosen.iter().enumerate() {
            progress(done, chosen.len());
            let read = EpisodeNumbers::read(source.as_ref(), *at, config);
            match data.on_error {
                OnError::Stop => _ = episodes.insert(*at, read?),
                OnError::Skip => match read.and_then(|read| see(source.as_ref(), *at, &camera).map(|()| read)) {
                    Ok(read) => _ = episodes.insert(*at, read),
                    Err(error) => skipped.push(Skipped {
                        what: format!("episode {}", source.episodes()[*at].name),
                        reason: error.to_string(),
                    }),
                },
            }
        }
        progress(chosen.len(), chosen.len());
        Ok(Self { camera, weight: wanted.weight, episodes, skipped, columns, source })
    }
}

impl EpisodeNumbers {
    fn read(source: &dyn Source, episode: usize, config: &FinetuneConfig) -> Result<Self> {
        let features = [config.action.feature.as_str(), config.proprio.feature.as_str()];
        let rows = source.rows_of(episode, &features[..1 + usize::from(config.sees_proprio())])?;
        let number = |feature: &str| numbers(source, episode, &rows, feature);
        let states = if config.sees_proprio() { number(&config.proprio.feature)? } else { Vec::new() };
        Ok(Self { actions: number(&config.action.feature)?, states })
    }
}

/// Decodes all frames of an episode: a broken one is to be found before it is learned from.
fn see(source: &dyn Source, episode: usize, camera: &str) -> Result<()> {
    let times = source.episodes()[episode].frame_times();
    Ok(source.frames(episode, camera, &times, &mut DecoderPool::new(1), &mut |_, _| Ok(()))?)
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
