//! Metrics of a run on disk: JSON lines for scripts, event files for TensorBoard.

mod jsonl;
mod tensorboard;

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::stage::Scalars;
use jsonl::JsonLines;
use tensorboard::EventFile;

/// Name of the file of JSON lines within the folder of a run.
pub const METRICS_FILE: &str = "metrics.jsonl";

/// Kind of the numbers of steps.
pub(crate) const TRAIN: &str = "train";
/// Kind of held-out numbers.
pub(crate) const VALIDATION: &str = "validation";

/// The metrics in both forms.
#[derive(Debug)]
pub(crate) struct Metrics {
    lines: JsonLines,
    events: EventFile,
}

impl Metrics {
    /// Opens the metrics of a run that is at `step`. Those of later steps are dropped: cut off from the lines, and hidden in
    /// TensorBoard.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub(crate) fn open(folder: &Path, step: u64) -> Result<Self> {
        Ok(Self { lines: JsonLines::open(&folder.join(METRICS_FILE), step)?, events: EventFile::create(folder, step)? })
    }

    /// Whether there were held-out numbers of the step when the metrics were opened at it.
    pub(crate) fn has_validation(&self, step: u64) -> bool {
        self.lines.of_step(step).any(|line| line["kind"] == VALIDATION)
    }

    /// Writes the numbers of a step. `kind` is "train" or "validation".
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub(crate) fn write(&mut self, step: u64, kind: &str, scalars: &Scalars) -> Result<()> {
        self.lines.write(&to_line(step, kind, scalars))?;
        self.events.write(step, kind, scalars)
    }

    /// Replaces the held-out numbers that were there when the metrics were opened at this step. Writes nothing if they are the
    /// same.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub(crate) fn replace_validation(&mut self, step: u64, scalars: &Scalars) -> Result<()> {
        let line = to_line(step, VALIDATION, scalars);
        if self.lines.of_step(step).any(|kept| *kept == line) {
            return Ok(());
        }
        self.lines.cut_validation()?;
        // TensorBoard can only drop all numbers of a step, so the others are repeated.
        self.events.forget_from(step)?;
        for kept in self.lines.of_step(step) {
            let kind = kept["kind"].as_str().unwrap_or_default();
            self.events.write(step, kind, &to_scalars(kept))?;
        }
        self.write(step, VALIDATION, scalars)
    }
}

fn to_line(step: u64, kind: &str, scalars: &Scalars) -> Value {
    let mut line = Map::new();
    line.insert("step".into(), json!(step));
    line.insert("kind".into(), json!(kind));
    // JSON has no NaN: it becomes null.
    line.extend(scalars.iter().map(|(name, value)| (name.clone(), json!(value))));
    Value::Object(line)
}

/// The numbers of a line.
fn to_scalars(line: &Value) -> Scalars {
    let entries = line.as_object().into_iter().flatten().filter(|(name, _)| !["step", "kind"].contains(&name.as_str()));
    entries.map(|(name, value)| (name.clone(), value.as_f64().unwrap_or(f64::NAN))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_numbers_that_changed_take_the_place_of_those_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(METRICS_FILE);
        let scalars = |error: f64| vec![("error".to_owned(), error), ("of_none".to_owned(), f64::NAN)];
        let mut metrics = Metrics::open(folder.path(), 0).unwrap();
        for (step, kind) in [(10, VALIDATION), (20, TRAIN), (20, VALIDATION)] {
            metrics.write(step, kind, &scalars(0.5)).unwrap();
        }
        let before = std::fs::read_to_string(&file).unwrap();
        let replaced = |error: f64| {
            Metrics::open(folder.path(), 20).unwrap().replace_validation(20, &scalars(error)).unwrap();
            std::fs::read_to_string(&file).unwrap()
        };
        assert_eq!(replaced(0.5), before, "nothing has changed");
        let last = format!("{}\n", to_line(20, VALIDATION, &scalars(0.5)));
        let kept = before.strip_suffix(&last).unwrap();
        let after = replaced(0.25);
        assert_eq!(after, format!("{kept}{}\n", to_line(20, VALIDATION, &scalars(0.25))));
        assert_eq!(replaced(0.25), after);
    }
}
