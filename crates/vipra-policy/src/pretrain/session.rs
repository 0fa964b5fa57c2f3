//! A pretraining run, from prepared datasets to a checkpoint.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::source::Skipped;
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};
use vipra_train::{Ended, Interrupt, Progress, Run, run};

use super::baselines::{Baselines, held_out_moments};
use super::config::PretrainConfig;
use super::data::Samples;
use super::source::Prepared;
use super::stage::{HeldOut, PretrainStage};
use crate::Result;
use crate::frames::FrameTokens;
use crate::layout::{Layout, Markers, SpecialIds};
use crate::trained::{Codebook, Description};

/// Everything that a run needs.
pub struct Session<'a> {
    /// The section `pretrain`.
    pub stage: &'a PretrainConfig,
    /// The section `data`: interval, seed, what happens on errors.
    pub data: &'a DataConfig,
    /// Datasets that are learned from.
    pub learned: &'a [Prepared],
    /// Datasets that are held out.
    pub held_out: &'a [Prepared],
    /// Reads instructions and markers.
    pub text: TextTokenizer,
    /// Makes tokens of frames.
    pub tokenizer: TrainedTokenizer,
    /// The latent actions.
    pub latent_actions: Codebook,
    /// The whole configuration, for the checkpoint to be compared with.
    pub configuration: Value,
    /// Folder of the run.
    pub folder: &'a Path,
    /// Where tokens of augmented frames are kept for other runs.
    pub cache: &'a Path,
    /// A device without gradients.
    pub device: Device,
    /// When to stop.
    pub interrupt: &'a Interrupt,
    /// Told what happens.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// What came of a run.
#[derive(Debug)]
pub struct Summary {
    /// Its last checkpoint and held-out numbers.
    pub ended: Ended,
    /// Parameters of the model.
    pub parameters: usize,
    /// Samples of an epoch.
    pub samples_per_epoch: u64,
    /// What was left out of the data because it is broken.
    pub skipped: Vec<Skipped>,
}

/// Trains, or goes on training.
///
/// # Errors
/// What is wrong with the data, the caches, the labels, the checkpoint, or the run.
pub fn train(session: Session<'_>) -> Result<Summary> {
    let Session { stage: config, data, tokenizer, .. } = session;
    let frame_codes = Codebook {
        fingerprint: tokenizer.fingerprint.clone(),
        codes: tokenizer.description.model.codes,
        length: tokenizer.description.model.tokens_per_frame(),
    };
    let layout = Layout {
        fields: config.fields.clone(),
        markers: Markers::new(&session.text)?,
        ids: SpecialIds::behind(frame_codes.codes, session.latent_actions.codes),
        merged: config.model.merged(),
    };
    let vocabularies = config.model.vocabularies(
        session.text.vocab_size(),
        &frame_codes,
        tokenizer.description.model.grid(),
        session.latent_actions.codes,
    );
    let samples = Samples::open(session.learned, data, config, (layout.clone(), vocabularies), &session.text)?;
    let learned = samples.skipped();
    let mut skipped = learned.clone();
    let held_out = match session.held_out {
        [] => {
            tracing::warn!("nothing is held out (data.validation is empty): this run says nothing about new videos");
            None
        }
        prepared => {
            let baselines = Baselines::count(&samples, frame_codes.codes, &session.latent_actions)?;
            let samples = Samples::open(prepared, data, config, (layout, vocabularies), &session.text)?;
            // Splits of one dataset leave out the same.
            skipped.extend(samples.skipped().into_iter().filter(|held_out| !learned.contains(held_out)));
            let addresses = held_out_moments(&samples, config.validation_samples)?;
            Some(HeldOut { samples, addresses, baselines })
        }
    };
    let device = session.device.clone().autodiff();
    let device = if config.activation_checkpointing { device.gradient_checkpointing() } else { device };
    session.device.seed(config.train.seed);
    let model = config.model.begin(&vocabularies, &tokenizer, &device)?;
    let parameters = model.num_params();
    let samples_per_epoch = samples.sampler().clips_per_epoch();
    let description = Description {
        model: config.model.clone(),
        vocabularies,
        fields: config.fields.clone(),
        horizon: config.horizon,
        transitions: config.predicted_transitions(),
        interval_secs: data.clip.interval_secs,
        instruction_tokens: config.sequence.instruction_tokens,
        frames: frame_codes,
        latent_actions: session.latent_actions,
    };
    let augmented = FrameTokens::new(config.augmentation, data.seed, session.cache.to_path_buf());
    let mut stage = PretrainStage::new(config.clone(), samples, (tokenizer, augmented), held_out)?;
    let outcome = run(
        &mut stage,
        model,
        Run {
            folder: session.folder,
            config: &config.train,
            configuration: session.configuration,
            metadata: description.to_metadata(&session.text)?,
            interrupt: session.interrupt,
            progress: session.progress,
        },
    )?;
    Ok(Summary { ended: outcome.into(), parameters, samples_per_epoch, skipped })
}
