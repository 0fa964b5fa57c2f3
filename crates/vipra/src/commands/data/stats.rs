//! `vipra data stats`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use indexmap::IndexMap;
use vipra_data::normalize::NormalizationConfig;
use vipra_data::source::Skipped;
use vipra_data::stats::{Collector, FeatureStats, Stats, to_json};
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, Error, OnError, Source};

use super::{Outcome, open_as};
use crate::cli::SourceArgs;
use crate::config::{ConfigArgs, load};
use crate::files::{check_outside, create_parent};
use crate::output::{plural, print, print_json, short, table, tell_skipped};
use crate::progress::Progress;

pub struct Request {
    pub source: SourceArgs,
    pub config: ConfigArgs,
    pub split: Option<String>,
    pub pictures: bool,
    pub out: Option<PathBuf>,
    pub json: bool,
}

pub fn run(request: &Request) -> Result<Outcome> {
    let data = data_config(request)?;
    if let Some(path) = &request.out {
        check_outside([request.source.path.as_path()], path, "the statistics")?;
        create_parent(path)?;
    }
    let source = open_as(&request.source, &data)?;
    tell_skipped(&source.description().skipped);
    let (stats, left_out) = collect(source.as_ref(), request, data.on_error)?;
    tell_skipped(&left_out);
    let features = &source.description().features;
    if let Some(path) = &request.out {
        let text = serde_json::to_string_pretty(&to_json(&stats, features))?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    match request.json {
        true => print_json(&to_json(&stats, features))?,
        false => print(&to_text(source.as_ref(), &stats, &data.normalization)?)?,
    }
    Ok(Outcome::Done)
}

/// Loads the configuration's section on data; what is broken is left out if it says so, or the command line.
fn data_config(request: &Request) -> Result<DataConfig> {
    let mut data = load(&request.config)?.data;
    if OnError::from(request.source.on_error) == OnError::Skip {
        data.on_error = OnError::Skip;
    }
    Ok(data)
}

/// Collects statistics of all episodes. Returns also what is not in them where what is broken is skipped: episodes that cannot be
/// read, and features of episodes in which their columns are faulty.
///
/// # Errors
/// The first of those, unless they are skipped: statistics without it would look as if they were of everything.
fn collect(source: &dyn Source, request: &Request, on_error: OnError) -> Result<(Stats, Vec<Skipped>)> {
    let description = source.description();
    let chosen = description.split(request.split.as_deref(), source.episodes())?;
    let progress = Progress::new("reading", "episodes");
    let (mut collector, mut faulty, mut left_out) = (Collector::default(), FaultyFeatures::new(), Vec::new());
    let mut decoders = DecoderPool::new(4);
    let cameras = if request.pictures { description.cameras() } else { Vec::new() };
    for (done, &at) in chosen.iter().enumerate() {
        progress.set(done, chosen.len());
        match collector.add_episode(source, at, &cameras, &mut decoders) {
            Ok(unreadable) => note(&mut faulty, unreadable, on_error)?,
            Err(error) if on_error == OnError::Skip => {
                let what = format!("episode {}", source.episodes()[at].name);
                left_out.push(Skipped { what, reason: error.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    drop(progress);
    if let Some(first) = left_out.first().filter(|_| left_out.len() == chosen.len()) {
        anyhow::bail!("none of {} can be read; {}", plural(chosen.len(), "episode"), first.reason);
    }
    left_out.extend(faulty.into_iter().map(|(name, fault)| fault.skipped(&name)));
    Ok((collector.finish(), left_out))
}

/// Features of which columns are faulty.
type FaultyFeatures = IndexMap<String, Faulty>;

struct Faulty {
    episodes: usize,
    /// What is wrong with the first of them.
    reason: String,
}

impl Faulty {
    fn skipped(self, feature: &str) -> Skipped {
        let what = format!("feature `{feature}` of {}", plural(self.episodes, "episode"));
        Skipped { what, reason: self.reason }
    }
}

/// Notes which features of an episode cannot be read; the first of them is an error unless they are skipped.
fn note(faulty: &mut FaultyFeatures, unreadable: Vec<(String, Error)>, on_error: OnError) -> Result<()> {
    for (name, error) in unreadable {
        if on_error == OnError::Stop {
            return Err(error).with_context(|| format!("the feature `{name}` cannot be read"));
        }
        let fault = faulty.entry(name).or_insert_with(|| Faulty { episodes: 0, reason: error.to_string() });
        fault.episodes += 1;
    }
    Ok(())
}

fn to_text(source: &dyn Source, stats: &Stats, normalization: &NormalizationConfig) -> Result<String> {
    let features = &source.description().features;
    let mut text = String::new();
    for (name, feature_stats) in stats {
        let Some(feature) = features.get(name) else { continue };
        let (dimensions, raised, what) = match feature.dtype.is_camera() {
            true => (["red", "green", "blue"].map(str::to_owned).to_vec(), Vec::new(), "pictures"),
            false => {
                let dimensions = feature.dimension_names();
                let raised = normalization.raised_dimensions(name, &dimensions, stats)?;
                (dimensions, raised, "rows")
            }
        };
        text.push_str(&format!("{name}: {} {what}\n", feature_stats.count));
        let header = ["dimension", "mean", "std", "min", "q01", "q50", "q99", "max", "note"];
        let rows = rows(&dimensions, &raised, feature_stats, normalization.scale_floor);
        text.push_str(&table(&header, rows, 1));
        text.push('\n');
    }
    let nothing = "no numbers in this dataset (pictures have statistics with --pictures)\n";
    Ok(if text.is_empty() { nothing.to_owned() } else { text })
}

fn rows(dimensions: &[String], raised: &[usize], stats: &FeatureStats, floor: f64) -> Vec<Vec<String>> {
    let row = |(at, name): (usize, &String)| {
        let columns = [&stats.mean, &stats.std, &stats.min, &stats.q01, &stats.q50, &stats.q99, &stats.max];
        let note = match raised.contains(&at) {
            true => format!("hardly varies: its scale is raised to {}", short(floor)),
            false => String::new(),
        };
        let numbers = columns.iter().map(|column| column.get(at).map_or_else(String::new, |&value| short(value)));
        std::iter::once(name.clone()).chain(numbers).chain([note]).collect()
    };
    dimensions.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vipra_data::writer::{DatasetWriter, WriterOptions};
    use vipra_data::{DType, Feature, Features, Rows, Values};

    use super::*;

    /// Three episodes of two rows, each in a file of its own: what is being recorded is a dataset too.
    fn record(root: &Path) {
        let action = Feature::numeric(DType::Float32, &["dx"]);
        let features = Features::from([("action".to_owned(), action.clone()), ("effort".to_owned(), action)]);
        let mut writer = DatasetWriter::create(root, WriterOptions::new(5, features)).unwrap();
        for episode in 0..3_u8 {
            let mut rows = Rows { length: 2, ..Rows::default() };
            rows.insert("action", 1, Values::F32(vec![f32::from(episode); 2])).unwrap();
            rows.insert("effort", 1, Values::F32(vec![1.0; 2])).unwrap();
            writer.begin_episode("wave").unwrap().finish(&rows).unwrap();
        }
    }

    fn request(root: &Path, set: &str) -> Request {
        let source = SourceArgs { path: root.to_path_buf(), fps: None, on_error: Default::default() };
        let config = ConfigArgs { config: None, set: vec![set.to_owned()] };
        Request { source, config, split: None, pictures: false, out: None, json: false }
    }

    fn collected(root: &Path, on_error: &str) -> Result<(Stats, Vec<Skipped>)> {
        let request = request(root, &format!("data.on_error={on_error}"));
        let data = data_config(&request)?;
        collect(open_as(&request.source, &data)?.as_ref(), &request, data.on_error)
    }

    #[test]
    fn an_episode_that_cannot_be_read_stops_or_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        record(folder.path());
        let file = |episode: usize| folder.path().join(format!("data/chunk-000/file-{episode:03}.parquet"));
        std::fs::remove_file(file(1)).unwrap();
        let error = collected(folder.path(), "stop").unwrap_err().to_string();
        assert!(error.contains("episode 1") && error.contains("file-001.parquet"), "{error}");
        let (stats, left_out) = collected(folder.path(), "skip").unwrap();
        assert_eq!((stats["action"].count, stats["action"].max[0]), (4, 2.0));
        assert!(left_out.len() == 1 && left_out[0].what == "episode 1", "{left_out:?}");
        [0, 2].into_iter().for_each(|episode| std::fs::remove_file(file(episode)).unwrap());
        let error = collected(folder.path(), "skip").unwrap_err().to_string();
        assert!(error.contains("none of 3 episodes can be read") && error.contains("file-000.parquet"), "{error}");
    }

    #[test]
    fn a_feature_without_a_column_stops_or_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        record(folder.path());
        let path = folder.path().join("meta/info.json");
        let text = std::fs::read_to_string(&path).unwrap().replace("\"effort\"", "\"torque\"");
        std::fs::write(path, text).unwrap();
        let error = format!("{:#}", collected(folder.path(), "stop").unwrap_err());
        assert!(error.contains("the feature `torque` cannot be read: ") && error.contains("no such column"), "{error}");
        let (stats, left_out) = collected(folder.path(), "skip").unwrap();
        assert!(stats["action"].count == 6 && !stats.contains_key("torque"), "{stats:?}");
        assert!(left_out.len() == 1 && left_out[0].what == "feature `torque` of 3 episodes", "{left_out:?}");
    }

    #[test]
    fn the_configuration_says_how_strict_the_statistics_are() {
        let data = |set: &str| data_config(&request(Path::new("set"), set)).unwrap();
        assert_eq!(data("data.tolerance_secs=0.02").tolerance_secs, 0.02);
        assert_eq!(data("data.on_error=skip").on_error, OnError::Skip);
    }
}
