//! `vipra finetune`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vipra_policy::TrainedTransformer;
use vipra_policy::finetune::{ActionConfig, Session, Start, Summary, train};
use vipra_policy::model::TransformerConfig;
use vipra_tokenizer::TrainedTokenizer;
use vipra_train::checkpoint::{Checkpoints, read_state};
use vipra_train::{CheckpointConfig, Interrupt, as_json};

use super::datasets::{configured, with_inputs};
use super::pretrain::texts;
use super::{Outcome, Stage, device};
use crate::cli::FinetuneArgs;
use crate::config::{Config, to_toml};
use crate::log::say;
use crate::output::{name_of, short, tell_skipped};
use crate::progress::Progress;
use crate::run_folder::{RunFolder, TOKENIZER_FILE};
use crate::training_end::{TrainingEnd, held_out_table, write_summary};
use crate::training_progress::TrainingProgress;

/// In place of a pretrained model.
const SCRATCH: &str = "scratch";

pub fn run(args: &FinetuneArgs) -> Result<Outcome> {
    run_training(args)?.tell()
}

/// Finetunes, or goes on finetuning.
pub fn run_training(args: &FinetuneArgs) -> Result<TrainingEnd> {
    let config = configured(Stage::Finetune, &args.training)?;
    if config.finetune.action.kind.is_some() {
        // Before hours of training: datasets seldom say it themselves.
        say(&assumed_actions(&config.finetune.action));
    }
    let device = device(&args.training.device)?;
    let pretrained = match args.from.as_os_str() == SCRATCH {
        true => None,
        false => Some(TrainedTransformer::open(&args.from, &device)?),
    };
    if let Some(trained) = &pretrained {
        warn_of_other_model(&config.pretrain.model, trained)?;
    }
    let tokenizer = TrainedTokenizer::open(&tokenizer_of(args, pretrained.as_ref())?, &device)?;
    let start = match pretrained {
        Some(trained) => Start::Pretrained(Box::new(trained)),
        None => Start::Scratch {
            model: config.pretrain.model.clone(),
            text: config.tokenizer.text.make(&texts(&config)?)?,
            latent_action_codes: config.laq.model.quantizer.codes,
        },
    };
    let inputs = inputs_of(&start, &tokenizer, &args.training.run)?;
    let configuration = with_inputs(&config, Stage::Finetune, inputs)?;
    let folder = RunFolder::create(&args.training.run, &config, Stage::Finetune, Some(&configuration))?;
    let interrupt = Interrupt::listen()?;
    let reading = Progress::new("reading demonstrations", "episodes");
    let mut training = TrainingProgress::new("finetuning", config.finetune.train.steps);
    let config_toml = to_toml(&config)?;
    let summary = train(Session {
        stage: &config.finetune,
        data: &config.data,
        learned: &config.data.sources,
        held_out: &config.data.validation,
        start,
        tokenizer,
        configuration,
        config_toml: &config_toml,
        folder: folder.path(),
        cache: &args.cache_folder(),
        device,
        interrupt: &interrupt,
        reading: &|done, all| reading.set(done, all),
        progress: &mut |event| training.show(event),
    })?;
    drop(training);
    report(summary, &config, &folder)
}

/// What is taken for granted of the actions of somebody's demonstrations.
pub fn assumed_actions(action: &ActionConfig) -> String {
    let kind = action.kind.map_or_else(String::new, |kind| name_of(&kind));
    let gripper = action.gripper.as_ref().map_or_else(
        || "no gripper".to_owned(),
        |gripper| {
            format!(
                "the gripper `{}` open at {}, closed at {}",
                gripper.dimension,
                short(gripper.open),
                short(gripper.closed)
            )
        },
    );
    let ActionConfig { feature, rotation, .. } = action;
    format!("`{feature}` is taken to be {kind}, rotation {}, {gripper} (finetune.action)", name_of(rotation))
}

/// Returns what a training is given beside its configuration: a pretrained model brings the text tokenizer along.
fn inputs_of(start: &Start, tokenizer: &TrainedTokenizer, run: &Path) -> Result<Value> {
    let mut inputs = json!({ "tokenizer": tokenizer.fingerprint, "pretrained": null });
    match start {
        Start::Pretrained(trained) => inputs["pretrained"] = json!(trained.fingerprint),
        Start::Scratch { text, .. } => {
            if says_text_tokenizer(run)? {
                inputs["text_tokenizer"] = json!(blake3::hash(text.to_json()?.as_bytes()).to_hex()[..16]);
            }
        }
    }
    Ok(inputs)
}

/// Whether the last checkpoint of a run, if there is one, says what its instructions were read by. Those of earlier versions do
/// not, and are gone on with all the same.
fn says_text_tokenizer(run: &Path) -> Result<bool> {
    let last = Checkpoints::of_run(run, CheckpointConfig::default()).latest()?;
    let state = last.map(|checkpoint| read_state(&checkpoint)).transpose()?;
    Ok(state.is_none_or(|state| state.configuration["inputs"].get("text_tokenizer").is_some()))
}

/// Says which keys of `pretrain.model` are set to something else than what the pretrained model has: it stays what it is.
fn warn_of_other_model(configured: &TransformerConfig, trained: &TrainedTransformer) -> Result<()> {
    let [configured, found, default] = [configured, &trained.description.model, &TransformerConfig::default()]
        .map(serde_json::to_value)
        .map(|value| value.context("the model has no form in JSON"));
    let (configured, found, default) = (configured?, found?, default?);
    for (key, wanted) in configured.as_object().into_iter().flatten() {
        let found = &found[key];
        // Without a configuration file nobody has set anything.
        if found != wanted && default[key] != *wanted {
            let path = trained.path.display();
            tracing::warn!(
                "pretrain.model.{key} is {wanted} here but {found} in the pretrained model, whose value is used: {path}"
            );
        }
    }
    Ok(())
}

/// Finds the tokenizer that is named, or the one in the run folder of the pretrained model.
fn tokenizer_of(args: &FinetuneArgs, pretrained: Option<&TrainedTransformer>) -> Result<PathBuf> {
    if let Some(path) = &args.tokenizer {
        return Ok(path.clone());
    }
    let trained =
        pretrained.context("a policy from scratch has no frame tokenizer of its own: name one by --tokenizer")?;
    let beside = trained.path.ancestors().map(|folder| folder.join(TOKENIZER_FILE)).find(|file| file.is_file());
    beside.with_context(|| {
        format!("no frame tokenizer lies beside the model: name one by --tokenizer: {}", trained.path.display())
    })
}

fn report(summary: Summary, config: &Config, folder: &RunFolder) -> Result<TrainingEnd> {
    let Summary { ended, package, parameters, new_parameters, samples_per_epoch, skipped } = summary;
    tell_skipped(&skipped);
    if let Some(end) = TrainingEnd::if_interrupted(&ended) {
        return Ok(end);
    }
    let package = package.context("a run that did all its steps has left no package")?;
    let written = json!({
        "checkpoint": ended.checkpoint,
        "package": package,
        "parameters": parameters,
        "new_parameters": new_parameters,
        "validation": as_json(&ended.validation),
        "skipped": skipped,
    });
    write_summary(folder, &written)?;
    let measured = format!("squared error of the first {} actions, of a chunk", config.finetune.measured_actions);
    let measured = format!("{measured}; 1 for the mean action");
    let rows = [("first_actions_error", measured.as_str()), ("chunk_error", "the same of all actions of a chunk")];
    let mut text = held_out_table(&ended.validation, &rows);
    text.push_str(&format!(
        "\n{parameters} parameters ({} tensors of them new), {samples_per_epoch} samples an epoch, policy in {}\n",
        new_parameters.len(),
        package.display()
    ));
    Ok(TrainingEnd::of_finished(text, ended))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::says_text_tokenizer;

    #[test]
    fn checkpoints_that_do_not_say_their_text_tokenizer_are_gone_on_with() {
        let run = tempfile::tempdir().unwrap();
        assert!(says_text_tokenizer(run.path()).unwrap(), "a run that begins says it");
        let checkpoint = run.path().join("checkpoints/step-00000008");
        std::fs::create_dir_all(&checkpoint).unwrap();
        for (inputs, says) in [(json!({ "tokenizer": "a" }), false), (json!({ "text_tokenizer": "b" }), true)] {
            let state = json!({ "step": 8, "skipped": 0, "stage": null, "configuration": { "inputs": inputs } });
            std::fs::write(checkpoint.join("state.json"), state.to_string()).unwrap();
            assert_eq!(says_text_tokenizer(run.path()).unwrap(), says);
        }
    }
}
