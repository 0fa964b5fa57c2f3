//! `vipra tokenizer train`.

use anyhow::Result;
use serde_json::json;
use vipra_tokenizer::train::{Session, Summary, train};
use vipra_train::Interrupt;

use super::Outcome;
use crate::cli::TrainArgs;
use crate::commands::datasets::{configured, with_inputs};
use crate::commands::{Stage, device};
use crate::progress::Progress;
use crate::run_folder::RunFolder;
use crate::training_end::{CodebookRun, TrainingEnd};
use crate::training_progress::TrainingProgress;

pub fn run(args: &TrainArgs) -> Result<Outcome> {
    run_training(args)?.tell()
}

/// Trains, or goes on training.
pub fn run_training(args: &TrainArgs) -> Result<TrainingEnd> {
    let config = configured(Stage::Tokenizer, args)?;
    let configuration = with_inputs(&config, Stage::Tokenizer, json!({}))?;
    let folder = RunFolder::create(&args.run, &config, Stage::Tokenizer, Some(&configuration))?;
    let interrupt = Interrupt::listen()?;
    let opening = Progress::new("opening", "videos");
    let mut training = TrainingProgress::new("frame tokens", config.tokenizer.train.steps);
    let trained = train(Session {
        stage: &config.tokenizer,
        data: &config.data,
        configuration,
        folder: folder.path(),
        device: device(&args.device)?,
        interrupt: &interrupt,
        opening: &|done, all| opening.set(done, all),
        progress: &mut |event| training.show(event),
    });
    let summary = match trained {
        Ok(summary) => summary,
        Err(failure) => return TrainingEnd::if_stopped_early(failure.into()),
    };
    drop(training);
    drop(opening);
    report(summary, &folder)
}

fn report(summary: Summary, folder: &RunFolder) -> Result<TrainingEnd> {
    let Summary { ended, parameters, has_collapsed, skipped } = summary;
    let run = CodebookRun { ended, parameters, has_collapsed, skipped };
    let collapsed = "the codebook has collapsed: these tokens say next to nothing\n";
    TrainingEnd::of_codebook(run, folder, HELD_OUT, collapsed)
}

/// Held-out numbers with what they mean.
pub(super) const HELD_OUT: &[(&str, &str)] = &[
    ("psnr", "signal over noise of rebuilt frames, in decibels"),
    ("psnr_mean_picture", "that of the mean picture in place of every frame"),
    ("psnr_rare_colors", "that of the hundredth of the pixels with the rarest colours: are small objects there?"),
    ("l1", "error of a pixel, in [0, 1]"),
    ("codes_in_use", "share of the codes that were chosen"),
    ("perplexity", "codes effectively in use"),
    ("frames", "frames that were looked at"),
];
