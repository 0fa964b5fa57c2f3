//! A finetuning run, from demonstrations to a policy package.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Value, json};
use vipra_control::PolicyDescription;
use vipra_data::{DataConfig, SourceConfig};
use vipra_nn::weights::{Names, Weights, load};
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};
use vipra_train::checkpoint::find_weights;
use vipra_train::{Ended, Interrupt, Progress, Run, as_json, run};

use super::config::FinetuneConfig;
use super::data::Demonstrations;
use super::numbers::{DemonstrationSource, Spaces, open_all};
use super::stage::{FinetuneStage, HeldOut};
use crate::bins::Bins;
use crate::model::{ActionDecoder, ActionSizes, PolicyModel, TransformerConfig, Vocabularies};
use crate::order::{Order, Position, evenly_spread, moments};
use crate::policy::{Features, Package, PackageParts, Specification};
use crate::trained::{Codebook, TrainedTransformer};
use crate::{Error, Result};

/// What a policy begins as.
pub enum Start {
    /// A pretrained transformer, with the text tokenizer that goes with it.
    Pretrained(Box<TrainedTransformer>),
    /// Random weights.
    Scratch {
        /// Sizes.
        model: TransformerConfig,
        /// Reads instructions and markers.
        text: TextTokenizer,
        /// Codes of latent actions, whose embedding is there in any case.
        latent_action_codes: usize,
    },
}

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
    /// What the policy begins as.
    pub start: Start,
    /// The frame tokenizer.
    pub tokenizer: TrainedTokenizer,
    /// The whole configuration, for the checkpoint to be compared with.
    pub configuration: Value,
    /// The same as the package keeps it, as TOML.
    pub config_toml: &'a str,
    /// Folder of the run.
    pub folder: &'a Path,
    /// Where tokens of augmented frames are kept for other runs.
    pub cache: &'a Path,
    /// A device without gradients.
    pub device: Device,
    /// When to stop.
    pub interrupt: &'a Interrupt,
    /// Told (episodes read, all).
    pub reading: &'a dyn Fn(usize, usize),
    /// Told what happens in training.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// What came of a run.
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
}

/// Refuses demonstrations that no policy can be learned from: what [`train`] would say of them, before anything else is made.
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

/// Finetunes, or goes on finetuning.
///
/// # Errors
/// What is wrong with the demonstrations, the pretrained model, the checkpoint, or the run.
pub fn train(session: Session<'_>) -> Result<Summary> {
    let Session { stage: config, data, .. } = session;
    let learned = open_all(session.learned, data, config, session.reading)?;
    let held_out = open_all(session.held_out, data, config, session.reading)?;
    let spaces = Spaces::of(&learned, config, &data.normalization)?;
    spaces.check(&held_out)?;

    let autodiff = session.device.clone().autodiff();
    session.device.seed(config.train.seed);
    let (specification, text) = specify(config, &spaces, &learned, &session.start, &session.tokenizer)?;
    let is_pretrained = matches!(session.start, Start::Pretrained(_));
    let (model, new_parameters) = begin(&specification, config, &session.start, &session.tokenizer, &autodiff)?;
    let parameters = model.num_params();

    let layout = specification.layout(&text)?;
    let mean = spaces.stats.get(&config.action.feature).map(|stats| stats.mean.clone()).unwrap_or_default();
    let demonstrations =
        |sources| Demonstrations::new(sources, data, (config, session.cache), &specification, &layout, &text);
    let learned = demonstrations(learned)?;
    let held_out = match held_out.is_empty() {
        true => {
            tracing::warn!("nothing is held out (data.validation is empty): this run says nothing about new scenes");
            None
        }
        false => {
            let demonstrations = demonstrations(held_out)?;
            let addresses = evenly_spread(&moments(demonstrations.sampler())?, config.validation_samples);
            let of_learned = evenly_spread(&moments(learned.sampler())?, config.validation_samples.div_ceil(4));
            Some(HeldOut { demonstrations, addresses, learned: of_learned, mean })
        }
    };
    let samples_per_epoch = learned.sampler().clips_per_epoch();
    let mut stage = FinetuneStage {
        order: Order::at(Position::default(), learned.sampler())?,
        config: config.clone(),
        specification: specification.clone(),
        layout,
        tokenizer: Arc::new(session.tokenizer),
        learned,
        held_out,
        is_pretrained,
        device: autodiff,
    };
    let outcome = run(
        &mut stage,
        model,
        Run {
            folder: session.folder,
            config: &config.train,
            configuration: session.configuration,
            metadata: specification.to_metadata(&text)?,
            interrupt: session.interrupt,
            progress: session.progress,
        },
    )?;
    let ended = Ended::from(outcome);
    let mut package = None;
    if ended.interrupted_at.is_none() {
        let training = json!({
            "steps": config.train.steps,
            "parameters": parameters,
            "samples_per_epoch": samples_per_epoch,
            "held_out": as_json(&ended.validation),
        });
        let parts = PackageParts {
            weights: &find_weights(&ended.checkpoint)?,
            frame_tokenizer: &stage.tokenizer.path,
            statistics: &spaces.stats,
            config: session.config_toml,
            training: &training,
        };
        let folder = session.folder.join("package");
        Package::write(&parts, &folder)?;
        package = Some(folder);
    }
    Ok(Summary { ended, package, parameters, new_parameters, samples_per_epoch })
}

/// What the policy will be.
fn specify(
    config: &FinetuneConfig,
    spaces: &Spaces,
    learned: &[DemonstrationSource],
    start: &Start,
    tokenizer: &TrainedTokenizer,
) -> Result<(Specification, TextTokenizer)> {
    let frames = Codebook {
        fingerprint: tokenizer.fingerprint.clone(),
        codes: tokenizer.description.model.codes,
        length: tokenizer.description.model.tokens_per_frame(),
    };
    let mut fingerprints =
        std::collections::BTreeMap::from([("frame_tokenizer".to_owned(), frames.fingerprint.clone())]);
    let (model, vocabularies, text, latent_action_codes) = match start {
        Start::Scratch { model, text, latent_action_codes } => {
            let vocabularies = model.vocabularies(
                text.vocab_size(),
                &frames,
                tokenizer.description.model.grid(),
                *latent_action_codes,
            );
            (model.clone(), vocabularies, text.clone(), *latent_action_codes)
        }
        Start::Pretrained(trained) => {
            let description = &trained.description;
            if description.frames.fingerprint != frames.fingerprint {
                return Err(Error::Mismatch {
                    what: "this pretrained model",
                    reason: format!(
                        "reads the tokens of the frame tokenizer {}, not of {}",
                        description.frames.fingerprint, frames.fingerprint
                    ),
                    path: trained.path.clone(),
                });
            }
            fingerprints.insert("latent_actions".to_owned(), description.latent_actions.fingerprint.clone());
            let codes = description.latent_actions.codes;
            (description.model.clone(), description.vocabularies, trained.text.clone(), codes)
        }
    };
    let bins = (config.decoder == ActionDecoder::Autoregressive)
        .then(|| {
            let actions = learned.iter().flat_map(|source| source.episodes.values());
            let actions: Vec<f64> =
                actions.flat_map(|episode| episode.actions.iter().map(|value| f64::from(*value))).collect();
            Bins::of(&actions, spaces.action.width(), config.bins)
        })
        .transpose()?;
    let control = PolicyDescription {
        policy: config.decoder.name().to_owned(),
        action: spaces.action.clone(),
        proprio: spaces.proprio.clone(),
        horizon: config.horizon,
        control_rate_hz: spaces.control_rate_hz,
        frame_interval_secs: config.frame_interval_secs,
        image_size: tokenizer.description.model.frame_size,
        crops: config.crops,
        fingerprints,
    };
    let specification = Specification {
        features: Features { action: config.action.feature.clone(), state: config.proprio.feature.clone() },
        model,
        vocabularies,
        sizes: ActionSizes {
            decoder: config.decoder,
            action: spaces.action.width(),
            proprio: spaces.proprio.as_ref().map(|proprio| proprio.names.len()),
            bins: bins.as_ref().map_or(0, Bins::vocabulary),
        },
        fields: config.fields.clone(),
        instruction_tokens: config.instruction_tokens,
        frames,
        latent_action_codes,
        image: tokenizer.description.image,
        crop_area: config.augmentation.crop_area,
        bins,
        solver: config.solver,
        sampling: config.sampling,
        execution: config.execution,
        control,
    };
    Ok((specification, text))
}

/// The model at its first step, and the names of its parameters that are new.
fn begin(
    specification: &Specification,
    config: &FinetuneConfig,
    start: &Start,
    tokenizer: &TrainedTokenizer,
    device: &Device,
) -> Result<(PolicyModel, Vec<String>)> {
    let Specification { model, vocabularies, sizes, .. } = specification;
    let transformer = initial(model, vocabularies, start, tokenizer, device)?;
    let policy = sizes.init(transformer, &config.new_parameters, device);
    let names: Vec<String> = vipra_nn::weights::save(&policy, &Names::default())?.names().map(str::to_owned).collect();
    let is_new = |name: &String| matches!(start, Start::Scratch { .. }) || !name.starts_with("transformer.");
    Ok((policy, names.into_iter().filter(is_new).collect()))
}

fn initial(
    model: &TransformerConfig,
    vocabularies: &Vocabularies,
    start: &Start,
    tokenizer: &TrainedTokenizer,
    device: &Device,
) -> Result<crate::model::Transformer> {
    match start {
        Start::Scratch { .. } => model.begin(vocabularies, tokenizer, device),
        Start::Pretrained(trained) => {
            let weights = Weights::read_safetensors(&trained.path)?;
            Ok(load(model.init(vocabularies, device)?, &weights, &Names::default())?)
        }
    }
}
