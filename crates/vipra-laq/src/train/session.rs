//! A training run, from a configuration to a checkpoint.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::clip::{Clip, ClipDataset};
use vipra_data::picture::AugmentConfig;
use vipra_data::source::Skipped;
use vipra_nn::weights::{Names, Weights, load};
use vipra_train::checkpoint::Checkpoints;
use vipra_train::perceptual::own_features;
use vipra_train::{Ended, Interrupt, Progress, Run, WeightsHeader, for_step, run};

use super::batch::batch_of;
use super::clips::ClipStream;
use super::config::{CodebookInitialization, LaqStageConfig};
use super::losses::LossSet;
use super::perceptual::FirstFrames;
use super::stage::LaqStage;
use crate::quantizer::seed;
use crate::spatial_encoder::{DINO_NAMES, DINO_UNUSED};
use crate::trained::Description;
use crate::{Error, Laq, Result};

/// Updates of the standardisation by the first batch: the first sets the means, the second the deviation from them.
const STANDARDIZATION_STEPS: usize = 2;

/// Inputs of a run.
pub struct Session<'a> {
    /// The section `laq`.
    pub stage: &'a LaqStageConfig,
    /// The section `data`, with the held-out data in `data.validation`.
    pub data: &'a DataConfig,
    /// The whole configuration, with which a checkpoint is compared, and the fingerprints of the datasets in order as
    /// `inputs.datasets`.
    pub configuration: Value,
    /// Folder of the run.
    pub folder: &'a Path,
    /// The device, without autodiff.
    pub device: Device,
    /// Raised to stop the run.
    pub interrupt: &'a Interrupt,
    /// Called with (done, all) while files are opened.
    pub opening: &'a (dyn Fn(usize, usize) + Sync),
    /// Called with every event of the training loop.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// Result of a run.
#[derive(Debug)]
pub struct Summary {
    /// Its last checkpoint and held-out numbers.
    pub ended: Ended,
    /// Whether the codebook's alarm was on at the end.
    pub has_collapsed: bool,
    /// What was left out of the data.
    pub skipped: Vec<Skipped>,
    /// Parameters of the model.
    pub parameters: usize,
}

/// Trains, or resumes a training from its last checkpoint.
///
/// # Errors
/// What is wrong with the data, the weights files, the checkpoint, or the run.
pub fn train(session: Session<'_>) -> Result<Summary> {
    let Session { stage: config, data, .. } = session;
    check_clips(config, data)?;
    warn_of_late_codes(config);
    let dataset = Arc::new(ClipDataset::open(data.clone(), session.opening)?);
    let held_out = held_out_clips(config, data, session.opening)?;
    let device = session.device.clone().autodiff();
    session.device.seed(config.train.seed);
    let mut model = initial_model(config, &device)?;
    let checkpoints = Checkpoints::of_run(session.folder, config.train.checkpoint.clone());
    if checkpoints.latest()?.is_none() && config.codebook.initialization == CodebookInitialization::EncoderOutputs {
        model = seed_codebook(model, config, &dataset)?;
    }
    let datasets = &session.configuration["inputs"]["datasets"];
    let own = || {
        let (frames, perceptual) = (FirstFrames::start(&dataset, &device)?, &config.loss.perceptual);
        Ok(own_features(perceptual, config.train.seed, datasets, frames, session.folder, session.interrupt, &device)?)
    };
    let losses = LossSet::load(&config.loss, own, &device)?;
    let parameters = model.num_params();
    let mut stage = LaqStage::new(config.clone(), &dataset, held_out, losses, device)?;
    let outcome = run(
        &mut stage,
        model,
        Run {
            folder: session.folder,
            config: &config.train,
            configuration: session.configuration,
            metadata: Description::new(&config.model, data).to_metadata()?,
            interrupt: session.interrupt,
            progress: session.progress,
        },
    )?;
    let skipped = [dataset.skipped(), stage.skipped()].concat();
    let has_collapsed = stage.codebook().has_collapsed();
    Ok(Summary { ended: outcome.into(), has_collapsed, skipped, parameters })
}

/// Warns of a run that ends before quantisation begins, as one that was shortened may.
fn warn_of_late_codes(config: &LaqStageConfig) {
    let (first_step, steps) = (config.codebook.first_step, config.train.steps);
    if first_step >= steps {
        tracing::warn!(
            "the decoder never reads a code: laq.codebook.first_step is {first_step}, and laq.train.steps {steps}"
        );
    }
}

fn check_clips(config: &LaqStageConfig, data: &DataConfig) -> Result<()> {
    let faults = config.clip_faults(data).into_iter().map(|(key, reason)| format!("`{key}`: {reason}"));
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults.join("; "))) }
}

fn initial_model(config: &LaqStageConfig, device: &Device) -> Result<Laq> {
    let mut model = config.model.init(device)?;
    if let Some(path) = &config.spatial_encoder_weights {
        let names = Names::blocks().rename(DINO_NAMES).ignore(DINO_UNUSED);
        model.spatial_encoder = load(model.spatial_encoder, &Weights::read(path)?, &names)?;
    }
    Ok(model)
}

/// The model with codes taken from its encoder's outputs for the first batch.
fn seed_codebook(mut model: Laq, config: &LaqStageConfig, dataset: &Arc<ClipDataset>) -> Result<Laq> {
    let clips = first_clips(dataset, config.train.batch_size)?;
    let device = vipra_nn::device::of(&model.valid());
    let clips = batch_of(&clips, &device).clips;
    for _ in 0..STANDARDIZATION_STEPS {
        let vectors = model.valid().encode(clips.clone())?;
        model = model.update_standardization(vectors, 1.0);
    }
    let vectors = model.valid().encode(clips)?;
    // A random stream of its own: those of the steps are numbered from 0.
    model.quantizer = seed(model.quantizer, vectors, &mut for_step(config.train.seed, u64::MAX));
    Ok(model)
}

/// The clips of every validation, without augmentation.
fn held_out_clips(
    config: &LaqStageConfig,
    data: &DataConfig,
    opening: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Clip>> {
    if data.validation.is_empty() {
        tracing::warn!("nothing is held out (data.validation is empty): this run says nothing about new videos");
        return Ok(Vec::new());
    }
    let held_out =
        DataConfig { sources: data.validation.clone(), augmentation: AugmentConfig::default(), ..data.clone() };
    let dataset = ClipDataset::open(held_out, opening).map_err(Error::HeldOut)?;
    first_clips(&Arc::new(dataset), config.validation_clips)
}

fn first_clips(dataset: &Arc<ClipDataset>, count: usize) -> Result<Vec<Clip>> {
    let count = count.min(dataset.sampler().clips_per_epoch() as usize);
    ClipStream::start(dataset)?.take(count)
}
