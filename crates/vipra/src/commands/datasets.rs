//! Datasets of a command: opened, searched for an episode, and put into the configuration of a training, with what is learned
//! from and what is held out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vipra_data::source::fingerprint;
use vipra_data::{DataConfig, Source, SourceConfig};

use super::Stage;
use crate::cli::{DatasetsArgs, TrainArgs};
use crate::config::{Config, load, strip_files};
use crate::files::check_outside;
use crate::output::tell_skipped;
use crate::progress::Progress;
use crate::run_folder::config_of_run;

/// Of a dataset without splits, one episode in this many is held out.
const HELD_OUT_ONE_IN: usize = 20;
const TRAIN: &str = "train";
const VALIDATION: &str = "val";

/// Opens a dataset with a progress bar, as a configuration says.
///
/// # Errors
/// Whatever keeps it from being opened, with its path.
pub fn open_dataset(data: &DataConfig, source: &SourceConfig) -> Result<Box<dyn Source>> {
    let opening = Progress::new("opening", "videos");
    Ok(data.open(source, &|done, all| opening.set(done, all))?)
}

/// Finds the position of the episode of a name; where none is called so, of that number.
///
/// # Errors
/// If there is none, with what episodes are called here.
pub fn find_episode(source: &dyn Source, name: &str) -> Result<usize> {
    let episodes = source.episodes();
    let of_name = episodes.iter().position(|episode| episode.name == name);
    let found = of_name.or_else(|| episodes.iter().position(|episode| episode.number.to_string() == name));
    if found.is_none() {
        // It may be one of these.
        tell_skipped(&source.description().skipped);
    }
    found.with_context(|| {
        let (count, root) = (episodes.len(), source.description().root.display());
        format!("there is no episode `{name}` among the {count} of {root}: {}", first_names(source))
    })
}

/// Lists what the first episodes are called: "ada.mp4, bea.mp4, …".
fn first_names(source: &dyn Source) -> String {
    const NAMED: usize = 3;
    let names: Vec<&str> = source.episodes().iter().take(NAMED).map(|episode| episode.name.as_str()).collect();
    let more = if source.episodes().len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Loads the configuration of a stage, with the datasets of the command line.
///
/// # Errors
/// What is wrong with either.
pub fn configured(stage: Stage, args: &TrainArgs) -> Result<Config> {
    if args.config.config.is_none() {
        tracing::warn!(
            "no --config: sizes and steps are the published ones, made for eight GPUs, unless --set says otherwise"
        );
    }
    let mut config = load(&args.config)?.restricted_to(stage);
    split_datasets(&mut config.data, &args.datasets)?;
    check_outside_data(&config.data, &args.run, "the run folder")?;
    Ok(config)
}

/// Refuses to write into a dataset that is learned from or held out.
///
/// # Errors
/// If `target` lies in one of them.
pub fn check_outside_data(data: &DataConfig, target: &Path, what: &str) -> Result<()> {
    let sources = data.sources.iter().chain(&data.validation);
    check_outside(sources.map(|source| source.path.as_path()), target, what)
}

/// Returns the configuration to measure a model by: that of its run, or the default one with the datasets of the command line,
/// which are opened as strictly as those of the run.
///
/// # Errors
/// If no dataset is named and the model's run has no configuration, or a dataset cannot be opened.
pub fn measured_on(model: &Path, args: &DatasetsArgs) -> Result<Config> {
    let mut config = match args.paths.is_empty() {
        true => config_of_run(model)?,
        false => Config { data: as_strict_as_run(model), ..Config::default() },
    };
    split_datasets(&mut config.data, args)?;
    Ok(config)
}

/// Returns the default configuration of data, as strict as that of a model's run, if it lies in a run folder.
fn as_strict_as_run(model: &Path) -> DataConfig {
    let of_run = config_of_run(model).map_or_else(|_| DataConfig::default(), |config| config.data);
    DataConfig { tolerance_secs: of_run.tolerance_secs, on_error: of_run.on_error, ..DataConfig::default() }
}

/// Returns what a checkpoint is compared with: what the stage reads of the configuration, and what the training was given, by
/// what it holds: its datasets, and the files of weights that are named.
///
/// # Errors
/// If a dataset cannot be opened.
pub fn with_inputs(config: &Config, stage: Stage, inputs: Value) -> Result<Value> {
    let mut configuration = config.stage_recipe(stage).context("the configuration has no form in JSON")?;
    strip_files(&mut configuration);
    configuration["files"] = config.file_hashes(stage);
    configuration["inputs"] = inputs;
    configuration["inputs"]["datasets"] = json!(dataset_fingerprints(&config.data)?);
    Ok(configuration)
}

/// Returns fingerprints of what is learned from and held out, in their order: whoever goes on with a training goes on with the
/// same data.
fn dataset_fingerprints(data: &DataConfig) -> Result<Vec<String>> {
    let mut by_path = BTreeMap::new();
    let mut fingerprints = Vec::new();
    for source in data.sources.iter().chain(&data.validation) {
        // Splits of one dataset are one dataset.
        let known = match by_path.entry(&source.path) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(missing) => missing.insert(fingerprint(data.open(source, &|_, _| {})?.as_ref())?),
        };
        fingerprints.push(known.clone());
    }
    Ok(fingerprints)
}

/// Puts datasets of the command line in place of the configuration's, of what is learned from and of what is held out: splits
/// `train` and `val` where a dataset has them, else the last episodes of `train`, or of all, are held out.
fn split_datasets(data: &mut DataConfig, args: &DatasetsArgs) -> Result<()> {
    let DatasetsArgs { paths, fps, camera } = args;
    let fps = *fps;
    let chosen = |path: &Path, split: String| SourceConfig {
        fps,
        camera: camera.clone(),
        split: Some(split),
        ..SourceConfig::new(path)
    };
    if !paths.is_empty() {
        if !data.validation.is_empty() {
            tracing::warn!("data.validation is not used: what is held out is taken from the datasets that are named");
        }
        (data.sources, data.validation) = (Vec::new(), Vec::new());
    }
    for path in paths {
        let source = data.open(&SourceConfig { fps, ..SourceConfig::new(path) }, &|_, _| {})?;
        let (train, validation) = splits_of(source.as_ref())?;
        data.sources.push(chosen(path, train));
        data.validation.extend(validation.map(|split| chosen(path, split)));
    }
    // A resolved configuration means the same from everywhere.
    for source in data.sources.iter_mut().chain(&mut data.validation) {
        source.path = std::path::absolute(&source.path)?;
    }
    anyhow::ensure!(!data.sources.is_empty(), "no data: name a dataset, or a configuration with `data.sources`");
    Ok(())
}

/// Returns the split that is learned from, and the one that is held out, if there are enough episodes.
fn splits_of(source: &dyn Source) -> Result<(String, Option<String>)> {
    let description = source.description();
    // What was meant to be held out must not be learned from.
    for name in [TRAIN, VALIDATION] {
        if description.malformed_splits.contains_key(name) {
            description.split(Some(name), source.episodes())?;
        }
    }
    if [TRAIN, VALIDATION].iter().all(|name| description.splits.contains_key(*name)) {
        return Ok((TRAIN.to_owned(), Some(VALIDATION.to_owned())));
    }
    anyhow::ensure!(
        description.splits.contains_key(TRAIN) || !description.splits.contains_key(VALIDATION),
        "a split `{VALIDATION}` without a `{TRAIN}`: name what is learned from and held out by data.sources and \
         data.validation, or add it to meta/info.json: {}",
        description.root.display()
    );
    let Range { start, end } = learnable(source)?;
    Ok(match end - start {
        0 | 1 => (format!("{start}:{end}"), None),
        episodes => {
            let first_held_out = end - episodes.div_ceil(HELD_OUT_ONE_IN);
            (format!("{start}:{first_held_out}"), Some(format!("{first_held_out}:{end}")))
        }
    })
}

/// Returns the positions of the episodes that may be learned from: those of `train`, where there is one, for the others were
/// set apart for something else, such as a test.
fn learnable(source: &dyn Source) -> Result<Range<usize>> {
    let (description, episodes) = (source.description(), source.episodes());
    if !description.splits.contains_key(TRAIN) {
        return Ok(0..episodes.len());
    }
    // A range of their numbers, in which order they stand here.
    let positions = description.split(Some(TRAIN), episodes)?;
    let root = description.root.display();
    anyhow::ensure!(!positions.is_empty() || episodes.is_empty(), "the split `{TRAIN}` has no episodes: {root}");
    Ok(positions.first().zip(positions.last()).map_or(0..0, |(first, last)| *first..*last + 1))
}

#[cfg(test)]
mod tests {
    use vipra_data::writer::{DatasetWriter, WriterOptions};
    use vipra_data::{DType, Feature, Features, OnError, Rows, Values};

    use super::*;

    /// Episodes of twenty frames.
    fn record(root: &Path, episodes: usize, splits: &[(String, Range<usize>)]) {
        let features = Features::from([("action".to_owned(), Feature::numeric(DType::Float32, &["dx"]))]);
        let mut writer = DatasetWriter::create(root, WriterOptions::new(5, features)).unwrap();
        for _episode in 0..episodes {
            let mut rows = Rows { length: 20, ..Rows::default() };
            rows.insert("action", 1, Values::F32(vec![1.0; 20])).unwrap();
            writer.begin_episode("wave").unwrap().finish(&rows).unwrap();
        }
        writer.finish(splits).unwrap();
    }

    /// Two episodes whose timestamps run away from their rate, by eight milliseconds to the end.
    fn record_drifting(root: &Path) {
        record(root, 2, &[]);
        let path = root.join("meta/info.json");
        let mut info: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        info["fps"] = json!(5.01);
        std::fs::write(&path, info.to_string()).unwrap();
    }

    #[test]
    fn named_datasets_are_opened_as_strictly_as_those_of_the_models_run() {
        let folder = tempfile::tempdir().unwrap();
        let (dataset, run) = (folder.path().join("drifting"), folder.path().join("run"));
        record_drifting(&dataset);
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join("config.toml"), "[data]\ntolerance_secs = 0.02\non_error = \"skip\"\n").unwrap();
        let named = DatasetsArgs { paths: vec![dataset], ..DatasetsArgs::default() };
        let held_out = |model: &Path| {
            let data = measured_on(model, &named).unwrap().data;
            let rows = open_dataset(&data, &data.validation[0]).unwrap().rows_of(1, &["action"]);
            (data.on_error, rows)
        };
        let (on_error, rows) = held_out(&run.join("checkpoints/step-00000001"));
        assert_eq!((on_error, rows.unwrap().length), (OnError::Skip, 20));
        let (on_error, rows) = held_out(&folder.path().join("alone.safetensors"));
        assert_eq!(on_error, OnError::Stop);
        let refused = rows.unwrap_err().to_string();
        assert!(refused.contains("timestamp of frame"), "{refused}");
    }

    #[test]
    fn an_episode_is_found_by_its_name_or_number() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("drifting");
        record_drifting(&root);
        let source = open_dataset(&DataConfig::default(), &SourceConfig::new(&root)).unwrap();
        assert_eq!(find_episode(source.as_ref(), "1").unwrap(), 1);
        let refused = find_episode(source.as_ref(), "nine").unwrap_err().to_string();
        assert!(refused.contains("no episode `nine` among the 2 of") && refused.ends_with(": 0, 1"), "{refused}");
    }
    #[test]
    fn what_is_held_out_of_a_split_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let splits_among_eight = |name: &str, splits: &[(&str, Range<usize>)]| {
            let root = folder.path().join(name);
            let named: Vec<_> = splits.iter().map(|(name, range)| ((*name).to_owned(), range.clone())).collect();
            record(&root, 8, &named);
            let source = open_dataset(&DataConfig::default(), &SourceConfig::new(&root)).unwrap();
            splits_of(source.as_ref()).map_err(|error| error.to_string())
        };
        let of = |learned: &str, held_out: &str| Ok((learned.to_owned(), Some(held_out.to_owned())));
        assert_eq!(splits_among_eight("both", &[("train", 0..6), ("val", 6..8)]), of("train", "val"));
        assert_eq!(splits_among_eight("neither", &[("test", 6..8)]), of("0:7", "7:8"));
        assert_eq!(splits_among_eight("whole", &[("train", 0..8)]), of("0:7", "7:8"));
        assert_eq!(splits_among_eight("part", &[("test", 0..2), ("train", 2..7)]), of("2:6", "6:7"));
        assert_eq!(splits_among_eight("one", &[("train", 3..4)]), Ok(("3:4".to_owned(), None)));
        let refused = splits_among_eight("none", &[("train", 0..0)]).unwrap_err();
        assert!(refused.contains("the split `train` has no episodes"), "{refused}");
        let refused = splits_among_eight("held out", &[("val", 6..8)]).unwrap_err();
        assert!(refused.contains("a split `val` without a `train`"), "{refused}");
    }
}
