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
    pub(super) episodes: BTreeMap<usize, Trajectory>,
    /// What was left out because it is broken.
    pub(super) skipped: Vec<Skipped>,
    pub(super) names: DimensionNames,
}

/// Actions and states of one episode, in the robot's units.
#[derive(Debug)]
pub(super) struct Trajectory {
    /// `[length, action]`
    pub(super) actions: Vec<f32>,
    /// `[length, state]`; empty for policies that see none.
    pub(super) states: Vec<f32>,
}

/// Names of the dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DimensionNames {
    pub(super) action: Vec<String>,
    pub(super) state: Option<Vec<String>>,
}

/// In what the dimensions of two datasets differ.
pub(super) struct Difference {
    /// `actions` or `states`.
    pub(super) what: &'static str,
    /// Names of the one.
    pub(super) these: String,
    /// Names of the other.
    pub(super) those: String,
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
    let open = counting.map(|wanted| {
        let source = data.open(wanted, &|_, _| {})?;
        DemonstrationSource::read(source, wanted, data, config, progress)
    });
    let open = open.collect::<Result<Vec<_>>>()?;
    for other in &open {
        if let Some(Difference { what, these, those }) = other.names.difference(&open[0].names) {
            return Err(Error::ActionSpace {
                reason: format!("its {what} are {these}; those of the first dataset are {those}"),
                path: other.source.description().root.clone(),
            });
        }
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
    /// Reads the chosen episodes of a dataset.
    pub(super) fn read(
        source: Box<dyn Source>,
        wanted: &SourceConfig,
        data: &DataConfig,
        config: &FinetuneConfig,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Self> {
        let description = source.description();
        let names = DimensionNames::of(source.as_ref(), config)?;
        let camera = description.camera(wanted.camera.as_deref())?.to_owned();
        let chosen = description.split(wanted.split.as_deref(), source.episodes())?;
        let mut skipped = description.skipped.clone();
        let mut episodes = BTreeMap::new();
        for (done, at) in chosen.iter().enumerate() {
            progress(done, chosen.len());
            let read = Trajectory::read(source.as_ref(), *at, config, &names);
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
        Ok(Self { camera, weight: wanted.weight, episodes, skipped, names, source })
    }
}

impl DimensionNames {
    /// Those of the features that a policy is learned from.
    fn of(source: &dyn Source, config: &FinetuneConfig) -> Result<Self> {
        let action = "a policy is finetuned on demonstrations: set finetune.action.feature";
        let state = "set finetune.proprio.feature, or leave `[proprio]` out of finetune.fields";
        let of_states = || names_of(source, &config.proprio.feature, state);
        Ok(Self {
            action: names_of(source, &config.action.feature, action)?,
            state: config.sees_proprio().then(of_states).transpose()?,
        })
    }

    /// In what they differ from others, if in anything.
    pub(super) fn difference(&self, others: &Self) -> Option<Difference> {
        let joined = |names: &Option<Vec<String>>| names.as_ref().map_or("none".to_owned(), |names| names.join(", "));
        if self.action != others.action {
            let (these, those) = (self.action.join(", "), others.action.join(", "));
            return Some(Difference { what: "actions", these, those });
        }
        (self.state != others.state).then(|| Difference {
            what: "states",
            these: joined(&self.state),
            those: joined(&others.state),
        })
    }
}

/// Names of the dimensions of a feature of numbers; `advice` says what to do where there is none of that name.
fn names_of(source: &dyn Source, feature: &str, advice: &str) -> Result<Vec<String>> {
    let description = source.description();
    let numeric = || description.features.iter().filter(|(_, feature)| feature.dtype.is_numeric());
    let known = numeric().find(|(name, _)| *name == feature);
    known.map(|(_, known)| known.dimension_names()).ok_or_else(|| {
        let all: Vec<&str> = numeric().map(|(name, _)| name.as_str()).collect();
        let reason = match all.is_empty() {
            true => format!("not demonstrations: there is no feature `{feature}`, nor any other numbers"),
            false => format!("there is no feature `{feature}` of numbers (there are: {}); {advice}", all.join(", ")),
        };
        Error::ActionSpace { reason, path: description.root.clone() }
    })
}

impl Trajectory {
    fn read(source: &dyn Source, episode: usize, config: &FinetuneConfig, names: &DimensionNames) -> Result<Self> {
        let (action, state) = (config.action.feature.as_str(), config.proprio.feature.as_str());
        let rows = source.rows_of(episode, &[action, state][..1 + usize::from(names.state.is_some())])?;
        let states = match &names.state {
            Some(names) => numbers(source, episode, &rows, (state, names))?,
            None => Vec::new(),
        };
        Ok(Self { actions: numbers(source, episode, &rows, (action, &names.action))?, states })
    }
}

/// Decodes all frames of an episode: a broken one is to be found before it is learned from.
fn see(source: &dyn Source, episode: usize, camera: &str) -> Result<()> {
    let times = source.episodes()[episode].frame_times();
    Ok(source.frames(episode, camera, &times, &mut DecoderPool::new(1), &mut |_, _| Ok(()))?)
}

/// Numbers of a feature of an episode, all of them finite.
fn numbers(source: &dyn Source, episode: usize, rows: &Rows, (feature, names): (&str, &[String])) -> Result<Vec<f32>> {
    let (values, width) = rows.numbers(feature)?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (frame, dimension) = (at / width.max(1), at % width.max(1));
        let dimension = names.get(dimension).cloned().unwrap_or_else(|| dimension.to_string());
        let (name, value) = (&source.episodes()[episode].name, values[at]);
        return Err(Error::ActionSpace {
            reason: format!("`{dimension}` of `{feature}` is {value} in frame {frame} of episode {name}"),
            path: source.description().root.clone(),
        });
    }
    Ok(values.into_iter().map(|value| value as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::MadeSource;

    fn read(made: MadeSource, on_error: OnError) -> Result<DemonstrationSource> {
        let data = DataConfig { on_error, ..DataConfig::default() };
        let config = FinetuneConfig {
            fields: "[instruction],[vision],[proprio],action".parse().unwrap(),
            ..FinetuneConfig::default()
        };
        DemonstrationSource::read(Box::new(made), &SourceConfig::new("made"), &data, &config, &|_, _| {})
    }

    #[test]
    fn a_number_that_is_none_is_refused_by_dimension_frame_and_episode() {
        let actions = || [vec![0.0; 6], vec![0.0, 1.0, 2.0, f32::NAN, 4.0, 5.0]];
        let made = || MadeSource::new(5.0, &["x", "y"], &actions());
        let error = read(made(), OnError::Stop).err().unwrap().to_string();
        assert!(error.contains("`y` of `action` is NaN in frame 1 of episode 1: made"), "{error}");
        let rest = read(made(), OnError::Skip).unwrap();
        assert_eq!((rest.episodes.len(), rest.skipped.len()), (1, 1));
        assert!(rest.skipped[0].reason.contains("`y` of `action` is NaN"), "{}", rest.skipped[0].reason);

        let mut broken = MadeSource::new(5.0, &["x"], &[vec![0.0; 3]]);
        broken.set_state(0, 2, f32::INFINITY);
        let error = read(broken, OnError::Stop).err().unwrap().to_string();
        assert!(error.contains("`joint` of `observation.state` is inf in frame 2 of episode 0"), "{error}");
    }

    #[test]
    fn dimensions_that_differ_are_listed() {
        let names = |action: &[&str], state: Option<&[&str]>| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            DimensionNames { action: owned(action), state: state.map(owned) }
        };
        let ours = names(&["x", "y"], Some(&["joint"]));
        assert!(ours.difference(&ours).is_none());
        let Difference { what, these, those } = ours.difference(&names(&["x", "z"], None)).unwrap();
        assert_eq!((what, these.as_str(), those.as_str()), ("actions", "x, y", "x, z"));
        let Difference { what, these, those } = ours.difference(&names(&["x", "y"], None)).unwrap();
        assert_eq!((what, these.as_str(), those.as_str()), ("states", "joint", "none"));
    }
}
