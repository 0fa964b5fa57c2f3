//! The configuration of a training, with its datasets: which episodes are learned from and which are held out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vipra_data::source::fingerprint;
use vipra_data::{DataConfig, SourceConfig};

use super::Stage;
use crate::cli::{DatasetsArgs, TrainArgs};
use crate::config::{Config, load};
use crate::files::check_outside;
use crate::run_folder::config_of_run;

/// Of a dataset without splits, one episode in this many is held out.
const HELD_OUT_ONE_IN: usize = 20;
const TRAIN: &str = "train";
const VALIDATION: &str = "val";

/// The configuration of a stage, with the datasets of the command line.
///
/// # Errors
/// What is wrong with either.
pub fn configured(stage: Stage, args: &TrainArgs) -> Result<Config> {
    if args.config.config.is_none() {
        tracing::warn!(
            "no --config: sizes and steps are the published ones, made for eight GPUs, unless --set says otherwise"
        );
    }
    let mut config = load(&args.config)?.read_by(stage);
    split_datasets(&mut config.data, &args.datasets)?;
    let datasets = config.data.sources.iter().chain(&config.data.validation).map(|source| source.path.as_path());
    check_outside(datasets, &args.run, "the run folder")?;
    Ok(config)
}

/// The configuration to measure a model by: that of its run, or the default one with the datasets of the command line.
///
/// # Errors
/// If the model's run has none, or a dataset cannot be opened.
pub fn measured_on(model: &Path, args: &DatasetsArgs) -> Result<Config> {
    let mut config = if args.paths.is_empty() { config_of_run(model)? } else { Config::default() };
    split_datasets(&mut config.data, args)?;
    Ok(config)
}

/// What a checkpoint is compared with: the configuration and what the training was given, its datasets among it.
///
/// # Errors
/// If a dataset cannot be opened.
pub fn with_inputs(config: &Config, inputs: Value) -> Result<Value> {
    let mut configuration = config.of_learning().context("the configuration has no form in JSON")?;
    configuration["inputs"] = inputs;
    configuration["inputs"]["datasets"] = json!(dataset_fingerprints(&config.data)?);
    Ok(configuration)
}

/// Path → fingerprint of what is learned from and held out: whoever goes on with a training goes on with the same data.
fn dataset_fingerprints(data: &DataConfig) -> Result<BTreeMap<String, String>> {
    let mut fingerprints = BTreeMap::new();
    for source in data.sources.iter().chain(&data.validation) {
        // Splits of one dataset are one dataset.
        if let Entry::Vacant(missing) = fingerprints.entry(source.path.display().to_string()) {
            let open = data.open(source, &|_, _| {})?;
            missing.insert(fingerprint(open.as_ref())?);
        }
    }
    Ok(fingerprints)
}

/// Puts datasets of the command line in place of the configuration's, of what is learned from and of what is held out: splits
/// `train` and `val` where a dataset has them, else its last episodes are held out.
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
        let splits = &source.description().splits;
        // What was meant to be held out must not be learned from.
        for name in [TRAIN, VALIDATION] {
            if source.description().malformed_splits.contains_key(name) {
                source.description().split(Some(name), source.episodes())?;
            }
        }
        let (train, validation) = if splits.contains_key(TRAIN) && splits.contains_key(VALIDATION) {
            (TRAIN.to_owned(), Some(VALIDATION.to_owned()))
        } else {
            let all = source.episodes().len();
            match all {
                0 | 1 => (format!("0:{all}"), None),
                all => {
                    let first_held_out = all - all.div_ceil(HELD_OUT_ONE_IN);
                    (format!("0:{first_held_out}"), Some(format!("{first_held_out}:{all}")))
                }
            }
        };
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
