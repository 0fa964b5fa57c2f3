//! The stages that train, and the caches between them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;
use vipra_train::as_json;

use super::{Figures, StageEnd};
use crate::cli::{
    DatasetsArgs, FinetuneArgs, ModelArgs, PredictArgs, PretrainArgs, ReconstructArgs, ReportArgs, TrainArgs,
};
use crate::commands::run::context::RunContext;
use crate::commands::run::monitor::Monitor;
use crate::commands::{
    finetune as finetuning, laq as latent_actions, predict, pretrain as pretraining, tokenizer as frame_tokens,
};
use crate::files::folder_name;
use crate::output::{plural, short};
use crate::run_folder::config_of_run;
use crate::stage::Stage;
use crate::training_end::TrainingEnd;

/// Pictures of each kind.
const PICTURES: u16 = 6;
/// Held-out frames that are rebuilt for the pictures, at most: the numbers are those of the training.
const FRAMES: u32 = 64;

pub fn tokenizer(context: &RunContext, monitor: &Monitor) -> Result<StageEnd> {
    let args = train_args(Stage::Tokenizer, context)?;
    let end = monitor.training(|| frame_tokens::run_training(&args))?;
    finish(&end, &[("psnr", "psnr", " dB"), ("perplexity", "perplexity", "")], || {
        frame_tokens::write_reconstructions(&ReconstructArgs {
            model: model(Stage::Tokenizer, context),
            datasets: DatasetsArgs::default(),
            out: args.run.join("pictures"),
            frames: FRAMES,
            strips: PICTURES,
            json: false,
        })
        .map(drop)
    })
}

pub fn laq(context: &RunContext, monitor: &Monitor) -> Result<StageEnd> {
    let args = train_args(Stage::Laq, context)?;
    let end = monitor.training(|| latent_actions::run_training(&args))?;
    let key = [("l1_moving_ratio", "error on moving pixels", " of a copy's"), ("perplexity", "perplexity", "")];
    finish(&end, &key, || {
        latent_actions::write_report(&ReportArgs {
            model: model(Stage::Laq, context),
            datasets: DatasetsArgs::default(),
            out: args.run.join("report/report.html"),
            action: "action".to_owned(),
            examples: PICTURES.into(),
        })
        .map(drop)
    })
}

pub fn cache(context: &RunContext) -> Result<StageEnd> {
    let folders = pretraining::prepare_caches(&pretrain_args(Stage::Cache, context)?)?;
    let all = json!({ "folders": folders });
    let key = format!("{} of labels and tokens", plural(folders.len(), "folder"));
    Ok(StageEnd::Done(Figures { key, all: all.as_object().cloned().unwrap_or_default() }))
}

pub fn pretrain(context: &RunContext, monitor: &Monitor) -> Result<StageEnd> {
    let args = pretrain_args(Stage::Pretrain, context)?;
    let run = &args.training.run;
    let end = monitor.training(|| pretraining::run_training(&args))?;
    let key = [("latent_state_accuracy", "right tokens ahead", ""), ("latent_action_loss", "latent action loss", "")];
    finish(&end, &key, || {
        let held_out = config_of_run(run)?.data.validation;
        let datasets: Vec<&Path> = held_out.iter().map(|source| source.path.as_path()).collect();
        let folders = picture_folders(&run.join("pictures"), &datasets);
        for (held_out, out) in held_out.into_iter().zip(folders) {
            predict::write_predictions(&PredictArgs {
                model: run.clone(),
                out,
                dataset: held_out.path,
                episode: None,
                split: held_out.split,
                camera: held_out.camera,
                fps: held_out.fps,
                count: PICTURES,
                temperature: 0.0,
                top_k: 0,
                seed: 0,
                tokenizer: None,
                laq: None,
                device: context.device.clone(),
            })?;
        }
        Ok(())
    })
}

/// Where the predictions of each dataset go: those of the first, or only one, where whoever calls `vipra predict` would have
/// them; of others in folders within. Datasets may have the same name.
fn picture_folders(pictures: &Path, datasets: &[&Path]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for dataset in datasets {
        let name = folder_name(dataset);
        let names = std::iter::once(name.clone()).chain((2..).map(|number: u32| format!("{name}-{number}")));
        let folder = match folders.is_empty() {
            true => Some(pictures.to_path_buf()),
            false => names.map(|name| pictures.join(name)).find(|folder| !folders.contains(folder)),
        };
        folders.extend(folder);
    }
    folders
}

pub fn finetune(context: &RunContext, monitor: &Monitor) -> Result<StageEnd> {
    let args = FinetuneArgs {
        training: train_args(Stage::Finetune, context)?,
        from: context.folder(Stage::Pretrain),
        tokenizer: None,
        cache: Some(context.folder(Stage::Cache)),
    };
    let end = monitor.training(|| finetuning::run_training(&args))?;
    finish(&end, &[("first_actions_error", "error of first actions", " of the mean action's")], || Ok(()))
}

/// Has drawn what came of a training, and says so. `key` has (name of the figure, words for it, unit).
fn finish(end: &TrainingEnd, key: &[(&str, &str, &str)], draw: impl FnOnce() -> Result<()>) -> Result<StageEnd> {
    end.text.lines().for_each(|line| tracing::info!("{line}"));
    if end.is_interrupted {
        return Ok(StageEnd::Interrupted);
    }
    // Nothing held out is nothing to draw.
    if !end.validation.is_empty() {
        draw()?;
    }
    let find = |name: &str| end.validation.iter().find(|(known, _)| known == name).map(|(_, value)| short(*value));
    let mut words: Vec<String> =
        key.iter().filter_map(|(name, words, unit)| Some(format!("{words} {}{unit}", find(name)?))).collect();
    if words.is_empty() {
        words.push("nothing held out".to_owned());
    }
    if end.has_collapsed {
        words.push("THE CODEBOOK HAS COLLAPSED".to_owned());
    }
    let mut all = as_json(&end.validation);
    all.insert("codebook_collapsed".to_owned(), end.has_collapsed.into());
    Ok(StageEnd::Done(Figures { key: words.join(", "), all }))
}

fn train_args(stage: Stage, context: &RunContext) -> Result<TrainArgs> {
    let data = context.data(stage);
    let datasets = DatasetsArgs { paths: context.datasets(stage), fps: data.fps, camera: data.camera.clone() };
    Ok(TrainArgs {
        datasets,
        config: context.write_config(stage)?,
        run: context.folder(stage),
        device: context.device.clone(),
    })
}

fn pretrain_args(stage: Stage, context: &RunContext) -> Result<PretrainArgs> {
    Ok(PretrainArgs {
        training: train_args(stage, context)?,
        tokenizer: context.folder(Stage::Tokenizer),
        laq: context.folder(Stage::Laq),
        labels: Vec::new(),
        tokens: Vec::new(),
        cache: Some(context.folder(Stage::Cache)),
    })
}

fn model(stage: Stage, context: &RunContext) -> ModelArgs {
    ModelArgs { model: context.folder(stage), device: context.device.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_of_datasets_of_the_same_name_lie_beside_one_another() {
        let paths = ["/one/set", "/two/set", "/three/set", "/set-2", "/other"].map(Path::new);
        let folders = picture_folders(Path::new("pictures"), &paths);
        let wanted = ["pictures", "pictures/set", "pictures/set-2", "pictures/set-2-2", "pictures/other"];
        assert_eq!(folders, wanted.map(PathBuf::from));
        assert_eq!(picture_folders(Path::new("pictures"), &[]), Vec::<PathBuf>::new());
    }
}
