//! What commands that train say at the end.

use anyhow::Result;
use serde_json::{Value, json};
use vipra_data::source::Skipped;
use vipra_data::writer::write_atomic;
use vipra_train::{Ended, Scalars, as_json};

use crate::commands::Outcome;
use crate::output::{print, short, table, tell_skipped};
use crate::run_folder::RunFolder;

/// What came of a run that trained a codebook.
pub struct CodebookRun {
    /// Its last checkpoint and held-out numbers.
    pub ended: Ended,
    /// Parameters of the model.
    pub parameters: usize,
    /// Whether the codebook's alarm was on at the end.
    pub has_collapsed: bool,
    /// What was left out of the data.
    pub skipped: Vec<Skipped>,
}

/// How a command that trains ended.
pub struct TrainingEnd {
    /// The text to print.
    pub text: String,
    /// Held-out numbers; none of a run that was asked to stop.
    pub validation: Scalars,
    /// Whether it was asked to stop before its last step.
    pub is_interrupted: bool,
    /// Whether the codebook's alarm was on at the end.
    pub has_collapsed: bool,
}

impl TrainingEnd {
    /// Ends a run that was asked to stop; returns none for any other.
    pub fn if_interrupted(ended: &Ended) -> Option<Self> {
        let (step, kept) = (ended.interrupted_at?, ended.checkpoint.display());
        let text = format!("stopped after step {step}, kept in {kept}; the same command goes on from there\n");
        Some(Self { text, validation: Scalars::new(), is_interrupted: true, has_collapsed: false })
    }

    /// Ends a run that failed because it was asked to stop before its first step.
    ///
    /// # Errors
    /// Any other failure.
    pub fn if_stopped_early(failure: anyhow::Error) -> Result<Self> {
        if !failure.chain().any(is_interrupted) {
            return Err(failure);
        }
        let text = format!("{failure:#}\n");
        Ok(Self { text, validation: Scalars::new(), is_interrupted: true, has_collapsed: false })
    }

    /// Ends a run that did all its steps.
    pub fn of_finished(text: String, ended: Ended) -> Self {
        Self { text, validation: ended.validation, is_interrupted: false, has_collapsed: false }
    }

    /// Ends a run that trained a codebook, and writes its summary into its folder: `held_out` are numbers with what they
    /// mean, `collapsed` is said of a codebook whose alarm was on.
    ///
    /// # Errors
    /// If the summary cannot be written.
    pub fn of_codebook(
        run: CodebookRun,
        folder: &RunFolder,
        held_out: &[(&str, &str)],
        collapsed: &str,
    ) -> Result<Self> {
        let CodebookRun { ended, parameters, has_collapsed, skipped } = run;
        tell_skipped(&skipped);
        if let Some(end) = Self::if_interrupted(&ended) {
            return Ok(end);
        }
        let written = json!({
            "checkpoint": ended.checkpoint,
            "parameters": parameters,
            "validation": as_json(&ended.validation),
            "codebook_collapsed": has_collapsed,
            "skipped": skipped,
        });
        write_summary(folder, &written)?;
        let mut text = held_out_table(&ended.validation, held_out);
        text.push_str(&format!("\n{parameters} parameters, weights in {}\n", ended.checkpoint.display()));
        if has_collapsed {
            text.push_str(collapsed);
        }
        Ok(Self { has_collapsed, ..Self::of_finished(text, ended) })
    }

    /// Prints it.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn tell(&self) -> Result<Outcome> {
        print(&self.text)?;
        // Whoever waits for the run must not take an interrupted one for a finished one.
        Ok(if self.is_interrupted || self.has_collapsed { Outcome::CheckFailed } else { Outcome::Done })
    }
}

/// Writes what came of a run into its folder.
///
/// # Errors
/// If it cannot be written.
pub fn write_summary(folder: &RunFolder, summary: &Value) -> Result<()> {
    let file = folder.file("summary.json");
    Ok(write_atomic(&file, &serde_json::to_vec_pretty(summary)?)?)
}

/// Whether a training was asked to stop. An error that only passes another one on does not name it as its source.
fn is_interrupted(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_laq = match error.downcast_ref() {
        Some(vipra_laq::Error::Train(error)) => Some(error),
        _ => None,
    };
    let of_tokenizer = match error.downcast_ref() {
        Some(vipra_tokenizer::Error::Train(error)) => Some(error),
        _ => None,
    };
    let of_training = of_laq.or(of_tokenizer).or_else(|| error.downcast_ref());
    matches!(of_training, Some(vipra_train::Error::Interrupted { .. }))
}

const NOTHING_HELD_OUT: &str = "nothing was held out\n";

/// Formats held-out numbers with what they mean: (name, meaning).
pub fn held_out_table(validation: &Scalars, rows: &[(&str, &str)]) -> String {
    if validation.is_empty() {
        return NOTHING_HELD_OUT.to_owned();
    }
    let rows = rows
        .iter()
        .filter_map(|(name, meaning)| Some(vec![(*name).to_owned(), number(validation, name)?, (*meaning).to_owned()]));
    table(&["held out", "", ""], rows.collect(), usize::MAX)
}

/// Formats held-out numbers beside what they have to beat: (name, name of the baseline, meaning).
pub fn baseline_table(validation: &Scalars, rows: &[(&str, &str, &str)]) -> String {
    if validation.is_empty() {
        return NOTHING_HELD_OUT.to_owned();
    }
    let rows = rows.iter().filter_map(|(name, baseline, meaning)| {
        let baseline = number(validation, baseline).unwrap_or_default();
        Some(vec![(*name).to_owned(), number(validation, name)?, baseline, (*meaning).to_owned()])
    });
    table(&["held out", "model", "baseline", ""], rows.collect(), usize::MAX)
}

fn number(validation: &Scalars, name: &str) -> Option<String> {
    validation.iter().find(|(known, _)| known == name).map(|(_, value)| short(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_that_is_stopped_before_its_first_step_is_no_failure() {
        let stopped = || vipra_train::Error::Interrupted { what: "the perceptual network", step: 16 };
        let failures = [
            anyhow::Error::from(vipra_laq::Error::Train(stopped())),
            anyhow::Error::from(vipra_tokenizer::Error::Train(stopped())).context("training"),
            anyhow::Error::from(stopped()),
        ];
        for failure in failures {
            let ended = TrainingEnd::if_stopped_early(failure).unwrap();
            assert!(
                ended.is_interrupted && ended.text.contains("after step 16 of the perceptual network"),
                "{}",
                ended.text
            );
        }
        let broken = vipra_laq::Error::Train(vipra_train::Error::Invalid("no parameters".to_owned()));
        assert!(TrainingEnd::if_stopped_early(broken.into()).is_err());
    }
}
