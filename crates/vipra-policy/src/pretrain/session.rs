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
use crate::layout::{CodebookSizes, SampleLayout};
use crate::model::Vocabularies;
use crate::trained::{CodebookInfo, Description};

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
    pub latent_actions: CodebookInfo,
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
    let config = session.stage;
    let description = description(&session);
    let (frames, latent_actions) = (&description.frames, &description.latent_actions);
    let codebooks = CodebookSizes { frames: frames.codes, latent_actions: latent_actions.codes };
    let layout = SampleLayout::new(config.fields.clone(), &session.text, codebooks, config.model.tokens_per_patch())?;
    let layout = (layout, description.vocabularies);
    let samples = Samples::open(session.learned, session.data, config, layout.clone(), &session.text)?;
    let mut skipped = samples.skipped();
    let held_out = open_held_out(&session, &samples, &description, layout)?;
    // Splits of one dataset leave out the same.
    let of_held_out = held_out.iter().flat_map(|held_out| held_out.samples.skipped());
    let others: Vec<Skipped> = of_held_out.filter(|one| !skipped.contains(one)).collect();
    skipped.extend(others);

    let device = session.device.clone().autodiff();
    let device = if config.activation_checkpointing { device.gradient_checkpointing() } else { device };
    session.device.seed(config.train.seed);
    let model = config.model.init_with_tokenizer(&description.vocabularies, &session.tokenizer, &device)?;
    let parameters = model.num_params();
    let samples_per_epoch = samples.sampler().clips_per_epoch();
    let augmented = FrameTokens::new(config.augmentation, session.data.seed, session.cache.to_path_buf());
    let mut stage = PretrainStage::new(config.clone(), samples, (session.tokenizer, augmented), held_out)?;
    let run_of_stage = Run {
        folder: session.folder,
        config: &config.train,
        configuration: session.configuration,
        metadata: description.to_metadata(&session.text)?,
        interrupt: session.interrupt,
        progress: session.progress,
    };
    let outcome = run(&mut stage, model, run_of_stage)?;
    Ok(Summary { ended: outcome.into(), parameters, samples_per_epoch, skipped })
}

/// What must be known of the model to use it.
fn description(session: &Session<'_>) -> Description {
    let (config, tokenizer, latent_actions) = (session.stage, &session.tokenizer, &session.latent_actions);
    let frames = CodebookInfo::of_tokenizer(tokenizer);
    let grid = tokenizer.description.model.grid();
    Description {
        model: config.model.clone(),
        vocabularies: config.model.vocabularies(session.text.vocab_size(), &frames, grid, latent_actions.codes),
        fields: config.fields.clone(),
        horizon: config.horizon,
        transitions: config.predicted_transitions(),
        interval_secs: session.data.clip.interval_secs,
        instruction_tokens: config.sequence.instruction_tokens,
        frames,
        latent_actions: latent_actions.clone(),
    }
}

/// Held-out samples and what the model is compared with; none where nothing is held out.
fn open_held_out(
    session: &Session<'_>,
    learned: &Samples,
    description: &Description,
    layout: (SampleLayout, Vocabularies),
) -> Result<Option<HeldOut>> {
    if session.held_out.is_empty() {
        tracing::warn!("nothing is held out (data.validation is empty): this run says nothing about new videos");
        return Ok(None);
    }
    let config = session.stage;
    let baselines = Baselines::count(learned, description.frames.codes, &description.latent_actions)?;
    let samples = Samples::open(session.held_out, session.data, config, layout, &session.text)?;
    let addresses = held_out_moments(&samples, config.validation_samples)?;
    Ok(Some(HeldOut { samples, addresses, baselines }))
}
