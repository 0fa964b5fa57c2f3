//! `vipra laq train`.

use anyhow::Result;
use serde_json::json;
use vipra_laq::train::{Session, Summary, train};
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
    let config = configured(Stage::Laq, args)?;
    let configuration = with_inputs(&config, Stage::Laq, json!({}))?;
    let folder = RunFolder::create(&args.run, &config, Stage::Laq, Some(&configuration))?;
    let interrupt = Interrupt::listen()?;
    let opening = Progress::new("opening", "videos");
    let mut training = TrainingProgress::new("latent actions", config.laq.train.steps);
    let trained = train(Session {
        stage: &config.laq,
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
    let collapsed = "the codebook has collapsed: these latent actions say next to nothing\n";
    let mut end = TrainingEnd::of_codebook(run, folder, HELD_OUT, collapsed)?;
    let worth = own_codes_are_worth(&end.validation);
    if !has_collapsed && worth.is_some_and(|worth| worth < LEAST_WORTH) {
        end.text.push_str(
            "the codes of other clips rebuild motion as well as a clip's own: these latent actions say nothing yet. Train for \
             more steps, quantise later (laq.codebook.first_step), or on clips in which more happens (data.clip.interval_secs)\n",
        );
    }
    Ok(end)
}

/// Less than this share of the error on moving pixels is what any codes would do.
const LEAST_WORTH: f64 = 0.005;

/// Computes by what share the error on moving pixels is larger with the codes of other clips.
fn own_codes_are_worth(validation: &[(String, f64)]) -> Option<f64> {
    let find = |name: &str| validation.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    let own = find("l1_moving_ratio")?;
    Some(find("l1_moving_ratio_of_other_codes")? / own - 1.0)
}

/// Held-out numbers with what they mean.
const HELD_OUT: &[(&str, &str)] = &[
    ("l1", "error of a pixel, in [0, 1]"),
    ("l1_copy", "error of repeating the current frame"),
    ("l1_moving_ratio", "error on moving pixels, over that of repeating the current frame"),
    ("l1_moving_ratio_of_other_codes", "the same from the codes of other clips: higher, if codes say anything"),
    ("l1_moving_ratio_unquantized", "the same from what enters the quantiser: lower, by what codes lose"),
    ("nearer_to_next", "moving transitions rebuilt nearer to the next frame than to the current one"),
    ("perplexity", "codes effectively in use"),
    ("position_perplexity", "codes effectively in use at a position of a transition"),
    ("dead_codes", "codes never chosen"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_worth_what_others_do_worse() {
        let validation = |own: f64, others: f64| {
            vec![("l1_moving_ratio".to_owned(), own), ("l1_moving_ratio_of_other_codes".to_owned(), others)]
        };
        let worth = own_codes_are_worth(&validation(0.6, 0.75)).unwrap();
        assert!((worth - 0.25).abs() < 1e-9);
        assert!(own_codes_are_worth(&validation(0.83765, 0.83765)).unwrap() < LEAST_WORTH);
        assert_eq!(own_codes_are_worth(&[]), None, "nothing is held out");
    }
}
