//! A training run, from a configuration to a checkpoint.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::clip::ClipDataset;
use vipra_data::source::Skipped;
use vipra_train::checkpoint::Checkpoints;
use vipra_train::perceptual::own_features;
use vipra_train::{Ended, Interrupt, Progress, Run, WeightsHeader, run};

use super::config::TokenizerStageConfig;
use super::frames::{FrameStream, frame_data, held_out_frames};
use super::losses::LossSet;
use super::seeding::seed_codebook;
use super::stage::TokenizerStage;
use crate::Result;
use crate::trained::start_from;

/// Inputs of a run.
pub struct Session<'a> {
    /// The section `tokenizer`.
    pub stage: &'a TokenizerStageConfig,
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
    config.model.validate()?;
    let dataset = Arc::new(ClipDataset::open(frame_data(data, config.image()), session.opening)?);
    let held_out = held_out_frames(data, config.image(), config.validation_frames, session.opening)?;
    if held_out.is_empty() {
        tracing::warn!("nothing is held out (data.validation is empty): this run says nothing about new videos");
    }
    let device = session.device.clone().autodiff();
    session.device.seed(config.train.seed);
    let mut model = config.model.init(&device)?;
    let checkpoints = Checkpoints::of_run(session.folder, config.train.checkpoint.clone());
    match &config.weights {
        Some(path) => model = start_from(model, path)?,
        None if config.codebook.first_step == 0 && checkpoints.latest()?.is_none() => {
            model = seed_codebook(model, config, &dataset, &device)?
        }
        None => {}
    }
    let datasets = &session.configuration["inputs"]["datasets"];
    let own = || {
        let (frames, perceptual) = (FrameStream::start(&dataset, &device)?, &config.loss.perceptual);
        Ok(own_features(perceptual, config.train.seed, datasets, frames, session.folder, session.interrupt, &device)?)
    };
    let losses = LossSet::load(&config.loss, own, &device)?;
    let parameters = model.num_params();
    let mut stage = TokenizerStage::new(config.clone(), &dataset, held_out, losses, device)?;
    let outcome = run(
        &mut stage,
        model,
        Run {
            folder: session.folder,
            config: &config.train,
            configuration: session.configuration,
            metadata: config.description().to_metadata()?,
            interrupt: session.interrupt,
            progress: session.progress,
        },
    )?;
    let skipped = [dataset.skipped(), stage.skipped()].concat();
    let has_collapsed = stage.codebook().has_collapsed();
    Ok(Summary { ended: outcome.into(), has_collapsed, skipped, parameters })
}
