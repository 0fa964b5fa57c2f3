//! A finetuning run, from demonstrations to a policy package.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Value, json};
use vipra_data::source::Skipped;
use vipra_data::{DataConfig, SourceConfig};
use vipra_tokenizer::TrainedTokenizer;
use vipra_train::checkpoint::find_weights;
use vipra_train::{Ended, Interrupt, Progress, Run, as_json, run};

use super::config::FinetuneConfig;
use super::data::{Demonstrations, SampleSettings};
use super::evaluation::HeldOut;
use super::numbers::{DemonstrationSource, open_all};
use super::spaces::Spaces;
use super::stage::FinetuneStage;
use super::start::Start;
use crate::Result;
use crate::policy::{Package, PackageParts};
use crate::sample_stream::{Position, SampleStream, evenly_spread, moments};

/// Everything that a run needs.
pub struct Session<'a> {
    /// The section `finetune`.
    pub stage: &'a FinetuneConfig,
    /// The section `data`: seed, normalisation, what happens on errors.
    pub data: &'a DataConfig,
    /// Demonstrations that are learned from.
    pub learned: &'a [SourceConfig],
    /// Demonstrations that are held out.
    pub held_out: &'a [SourceConfig],
    /// What the policy starts from.
    pub start: Start,
    /// The frame tokenizer.
    pub tokenizer: TrainedTokenizer,
    /// The whole configuration, for the checkpoint to be compared with.
    pub configuration: Value,
    /// The same as TOML, for the package.
    pub config_toml: &'a str,
    /// Folder of the run.
    pub folder: &'a Path,
    /// Where tokens of augmented frames are kept for other runs.
    pub cache: &'a Path,
    /// A device without gradients.
    pub device: Device,
    /// Stops the run early.
    pub interrupt: &'a Interrupt,
    /// Told (episodes read, all).
    pub reading: &'a dyn Fn(usize, usize),
    /// Told what happens in training.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Summary {
    /// Its last checkpoint and held-out numbers.
    pub ended: Ended,
    /// The policy package, if the run was not stopped before its end.
    pub package: Option<PathBuf>,
    /// Parameters of the model.
    pub parameters: usize,
    /// Those of them that are not from a pretrained model, by name; all are new from scratch.
    pub new_parameters: Vec<String>,
    /// Samples of an epoch.
    pub samples_per_epoch: u64,
    /// Broken parts of the demonstrations that were left out.
    pub skipped: Vec<Skipped>,
}

/// Refuses demonstrations that no policy can be learned from, for the reasons of [`train`], before anything else is made.
/// `progress` is told (episodes read, all) of each dataset.
///
/// # Errors
/// What is wrong with the demonstrations, or with what the configuration says of them.
pub fn check_demonstrations(
    sources: &[SourceConfig],
    data: &DataConfig,
    config: &FinetuneConfig,
    progress: &dyn Fn(usize, usize),
) -> Result<()> {
    Spaces::of(&open_all(sources, data, config, progress)?, config, &data.normalization)?;
    Ok(())
}

/// Finetunes, or resumes finetuning.
///
/// # Errors
/// What is wrong with the demonstrations, the pretrained model, the checkpoint, or the run.
pub fn train(session: Session<'_>) -> Result<Summary> {
    let Session { stage: config, data, .. } = session;
    let learned = open_all(session.learned, data, config, session.reading)?;
    let held_out = open_all(session.held_out, data, config, session.reading)?;
    let skipped = skipped(learned.iter().chain(&held_out));
    let spaces = Spaces::of(&learned, config, &data.normalization)?;
    spaces.check_held_out(&held_out)?;
    warn_of_one_frame(config, spaces.control_rate_hz);

    let autodiff = session.device.clone().autodiff();
    session.device.seed(config.train.seed);
    let is_pretrained = matches!(session.start, Start::Pretrained(_));
    let (specification, text) = session.start.specification(config, &spaces, &learned, &session.tokenizer)?;
    let (model, new_parameters) = session.start.init(&specification, config, &session.tokenizer, &autodiff)?;
    let parameters = model.num_params();

    let layout = specification.layout(&text)?;
    let settings = SampleSettings {
        data,
        config,
        cache: session.cache,
        specification: &specification,
        held: &spaces.held,
        layout: &layout,
        text: &text,
    };
    let recorded_size = recorded_size(&learned);
    let learned = Demonstrations::new(learned, settings)?;
    let held_out = open_held_out(held_out, settings, &learned, &spaces)?;
    let samples_per_epoch = learned.sampler().clips_per_epoch();
    let mut stage = FinetuneStage {
        stream: SampleStream::at(Position::default(), learned.sampler())?,
        config: config.clone(),
        specification: specification.clone(),
        layout,
        tokenizer: Arc::new(session.tokenizer),
        learned,
        held_out,
        is_pretrained,
        device: autodiff,
    };
    let run_of_stage = Run {
        folder: session.folder,
        config: &config.train,
        configuration: session.configuration,
        metadata: specification.to_metadata(&text)?,
        interrupt: session.interrupt,
        progress: session.progress,
    };
    let ended = Ended::from(run(&mut stage, model, run_of_stage)?);
    let training = json!({
        "steps": config.train.steps,
        "parameters": parameters,
        "samples_per_epoch": samples_per_epoch,
        "recorded_size": recorded_size,
        "held_out": as_json(&ended.validation),
    });
    let package = match ended.interrupted_at {
        Some(_) => None,
        None => Some(write_package(session.folder, &ended, &stage, &spaces, session.config_toml, &training)?),
    };
    Ok(Summary { ended, package, parameters, new_parameters, samples_per_epoch, skipped })
}

/// Height and width of the recordings, if they are the same in all datasets.
fn recorded_size(sources: &[DemonstrationSource]) -> Option<[usize; 2]> {
    let size = |source: &DemonstrationSource| {
        let (width, height) = source.source.description().features.get(&source.camera)?.picture_size()?;
        Some([height, width])
    };
    let first = size(sources.first()?)?;
    sources.iter().all(|source| size(source) == Some(first)).then_some(first)
}

/// Writes the package of a run that completed all its steps into the run's folder.
fn write_package(
    folder: &Path,
    ended: &Ended,
    stage: &FinetuneStage,
    spaces: &Spaces,
    config_toml: &str,
    training: &Value,
) -> Result<PathBuf> {
    let package = folder.join("package");
    let parts = PackageParts {
        weights: &find_weights(&ended.checkpoint)?,
        specification: &stage.specification,
        frame_tokenizer: &stage.tokenizer.path,
        statistics: &spaces.stats,
        config: config_toml,
        training,
    };
    Package::write(&parts, &package)?;
    Ok(package)
}

/// Held-out moments, and some of those that are learned from, to compare with; none where nothing is held out.
fn open_held_out(
    held_out: Vec<DemonstrationSource>,
    settings: SampleSettings<'_>,
    learned: &Demonstrations,
    spaces: &Spaces,
) -> Result<Option<HeldOut>> {
    if held_out.is_empty() {
        tracing::warn!("nothing is held out (data.validation is empty): this run says nothing about new scenes");
        return Ok(None);
    }
    let demonstrations = Demonstrations::new(held_out, settings)?;
    let config = settings.config;
    Ok(Some(HeldOut {
        addresses: evenly_spread(&moments(demonstrations.sampler())?, config.validation_samples),
        demonstrations,
        learned: evenly_spread(&moments(learned.sampler())?, config.validation_samples.div_ceil(4)),
        mean: spaces.stats.get(&config.action.feature).map(|stats| stats.mean.clone()).unwrap_or_default(),
    }))
}

/// Warns if less than half a step lies between the two frames that the policy sees, which are then the same.
fn warn_of_one_frame(config: &FinetuneConfig, rate_hz: f64) {
    let interval_secs = config.frame_interval_secs;
    if interval_secs > 0.0 && interval_secs * rate_hz < 0.5 {
        tracing::warn!(
            "finetune.frame_interval_secs is {interval_secs} s, at {rate_hz} frames a second less than half a frame: the policy \
             sees one frame twice"
        );
    }
}

/// Broken parts of the datasets that were left out, each once: splits of one dataset leave out the same.
fn skipped<'a>(sources: impl Iterator<Item = &'a DemonstrationSource>) -> Vec<Skipped> {
    let mut distinct: Vec<Skipped> = Vec::new();
    for skipped in sources.flat_map(|source| &source.skipped) {
        if !distinct.contains(skipped) {
            distinct.push(skipped.clone());
        }
    }
    distinct
}
