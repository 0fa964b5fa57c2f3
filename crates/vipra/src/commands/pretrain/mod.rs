//! `vipra pretrain`.

mod prepare;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use serde_json::json;
use vipra_laq::TrainedLaq;
use vipra_policy::layout::{Markers, TokenKind};
use vipra_policy::pretrain::{Prepared, Session, Summary, train};
use vipra_policy::{CodebookInfo, prompt};
use vipra_tokenizer::TrainedTokenizer;
use vipra_train::{Interrupt, as_json};

use self::prepare::Preparation;
use super::datasets::{configured, open_dataset, with_inputs};
use super::{Outcome, Stage, device};
use crate::cli::PretrainArgs;
use crate::config::Config;
use crate::output::tell_skipped;
use crate::run_folder::{LAQ_FILE, RunFolder, TOKENIZER_FILE};
use crate::training_end::{TrainingEnd, baseline_table, write_summary};
use crate::training_progress::TrainingProgress;

pub fn run(args: &PretrainArgs) -> Result<Outcome> {
    run_training(args)?.tell()
}

/// What is learned by, and from.
struct Begun {
    config: Config,
    device: Device,
    tokenizer: TrainedTokenizer,
    laq: TrainedLaq,
}

impl Begun {
    fn open(args: &PretrainArgs) -> Result<Self> {
        let mut config = configured(Stage::Pretrain, &args.training)?;
        let device = device(&args.training.device)?;
        let tokenizer = TrainedTokenizer::open(&args.tokenizer, &device)?;
        let laq = TrainedLaq::open(&args.laq, &device)?;
        // What a transition is, the latent action model has decided.
        let interval_secs = laq.description.clip.interval_secs;
        if (config.data.clip.interval_secs - interval_secs).abs() > 1e-9 {
            tracing::warn!(
                "data.clip.interval_secs is set to {interval_secs}, as the latent action model was trained with"
            );
            config.data.clip.interval_secs = interval_secs;
        }
        Ok(Self { config, device, tokenizer, laq })
    }

    /// Makes labels and tokens of what is learned from, and of what is held out.
    fn prepare(&self, args: &PretrainArgs) -> Result<[Vec<Prepared>; 2]> {
        let preparation = Preparation {
            data: &self.config.data,
            tokenizer: &self.tokenizer,
            laq: self.config.pretrain.fields.has(TokenKind::LatentAction).then_some(&self.laq),
            horizon: self.config.pretrain.horizon,
            labels: &args.labels,
            tokens: &args.tokens,
            cache: args.cache_folder(),
        };
        Ok([preparation.prepare(&self.config.data.sources)?, preparation.prepare(&self.config.data.validation)?])
    }
}

/// Makes labels and tokens that are missing, and learns nothing yet. Returns the folders that they lie in.
pub fn prepare_caches(args: &PretrainArgs) -> Result<Vec<PathBuf>> {
    let prepared = Begun::open(args)?.prepare(args)?;
    let folders = prepared.into_iter().flatten().flat_map(|prepared| [Some(prepared.tokens), prepared.labels]);
    let folders: BTreeSet<PathBuf> = folders.flatten().collect();
    Ok(folders.into_iter().collect())
}

/// Pretrains, or goes on pretraining.
pub fn run_training(args: &PretrainArgs) -> Result<TrainingEnd> {
    let begun = Begun::open(args)?;
    let text = begun.config.tokenizer.text.make(&texts(&begun.config)?)?;
    let inputs = json!({
        "tokenizer": begun.tokenizer.fingerprint,
        "latent_action_model": begun.laq.fingerprint,
        "text_tokenizer": blake3::hash(text.to_json()?.as_bytes()).to_hex()[..16],
    });
    let configuration = with_inputs(&begun.config, Stage::Pretrain, inputs)?;
    let folder = RunFolder::create(&args.training.run, &begun.config, Stage::Pretrain, Some(&configuration))?;
    let [learned, held_out] = begun.prepare(args)?;
    let Begun { config, device, tokenizer, laq } = begun;
    // From here on Ctrl-C writes a checkpoint; labelling and encoding go on by themselves when they are called again.
    let interrupt = Interrupt::listen()?;

    let tokenizer_path = tokenizer.path.clone();
    let mut training = TrainingProgress::new("pretraining", config.pretrain.train.steps);
    let summary = train(Session {
        stage: &config.pretrain,
        data: &config.data,
        learned: &learned,
        held_out: &held_out,
        text,
        tokenizer,
        latent_actions: CodebookInfo {
            fingerprint: laq.fingerprint.clone(),
            codes: laq.description.model.quantizer.codes,
            length: laq.description.model.code_length,
        },
        configuration,
        folder: folder.path(),
        cache: &args.cache_folder(),
        device,
        interrupt: &interrupt,
        progress: &mut |event| training.show(event),
    })?;
    drop(training);
    keep_beside(&tokenizer_path, &folder.file(TOKENIZER_FILE))?;
    keep_beside(&laq.path, &folder.file(LAQ_FILE))?;
    report(summary, &folder)
}

/// Collects what the text tokenizer will have to read: markers, and the instructions of what is learned from.
pub fn texts(config: &Config) -> Result<Vec<String>> {
    let mut texts: Vec<String> = Markers::TEXTS.concat().into_iter().map(str::to_owned).collect();
    for source in &config.data.sources {
        let open = open_dataset(&config.data, source)?;
        let chosen = open.description().split(source.split.as_deref(), open.episodes())?;
        texts.extend(chosen.into_iter().filter_map(|at| open.episodes()[at].instruction()).map(prompt));
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

/// Copies a model into the run folder, so that the folder stands alone.
fn keep_beside(from: &Path, to: &Path) -> Result<()> {
    crate::files::create_parent(to)?;
    let partial = to.with_extension("partial");
    std::fs::copy(from, &partial).with_context(|| format!("copying {} to {}", from.display(), partial.display()))?;
    std::fs::rename(&partial, to).with_context(|| format!("writing {}", to.display()))
}

fn report(summary: Summary, folder: &RunFolder) -> Result<TrainingEnd> {
    let Summary { ended, parameters, samples_per_epoch, skipped } = summary;
    tell_skipped(&skipped);
    if let Some(end) = TrainingEnd::if_interrupted(&ended) {
        return Ok(end);
    }
    let checkpoint = &ended.checkpoint;
    let written = json!({
        "checkpoint": checkpoint,
        "parameters": parameters,
        "validation": as_json(&ended.validation),
        "skipped": skipped,
    });
    write_summary(folder, &written)?;
    let mut text = baseline_table(&ended.validation, HELD_OUT);
    text.push_str(&format!(
        "\n{parameters} parameters, {samples_per_epoch} samples an epoch, weights in {}\n",
        checkpoint.display()
    ));
    Ok(TrainingEnd::of_finished(text, ended))
}

/// Held-out numbers, what they have to beat, and what they mean.
const HELD_OUT: &[(&str, &str, &str)] = &[
    (
        "latent_state_accuracy",
        "latent_state_copy_accuracy",
        "tokens of the frame ahead, against those of the current frame",
    ),
    (
        "latent_state_changed_accuracy",
        "latent_state_changed_frequent_accuracy",
        "those of them that change, against the most frequent token of each place",
    ),
    (
        "latent_state_loss",
        "latent_state_frequent_loss",
        "cross-entropy of the frame ahead, against frequencies at each place",
    ),
    (
        "latent_action_loss",
        "latent_action_unigram_loss",
        "cross-entropy of latent actions (given the true frame ahead, where that comes first), against their frequencies",
    ),
    ("latent_action_loss", "latent_action_position_loss", "the same, against their frequencies at each position"),
    (
        "latent_action_accuracy",
        "latent_action_frequent_accuracy",
        "latent actions, against the most frequent at each position",
    ),
    ("text_loss", "", "cross-entropy of markers"),
];
