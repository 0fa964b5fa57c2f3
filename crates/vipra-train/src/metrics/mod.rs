//! Numbers of a run, on disk: JSON lines for scripts, event files for TensorBoard.

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

/// Both forms of the metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    lines: JsonLines,
    events: EventFile,
}

impl Metrics {
    /// Opens the metrics of a run that goes on after `step`; what was written of later steps is dropped:
    /// cut off from the lines, and left out by TensorBoard.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub(crate) fn open(folder: &Path, step: u64) -> Result<Self> {
        Ok(Self { lines: JsonLines::open(&folder.join(METRICS_FILE), step)?, events: EventFile::create(folder, step)? })
    }

    /// Whether held-out numbers of this step were there when the metrics were opened.
    pub(crate) fn has_validation(&self, step: u64) -> bool {
        self.lines.last_validation() == Some(step)
    }

    /// Writes the numbers of a step. `kind` is "train" or "validation".
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub(crate) fn write(&mut self, step: u64, kind: &str, scalars: &Scalars) -> Result<()> {
        let mut line = Map::new();
        line.insert("step".into(), json!(step));
        line.insert("kind".into(), json!(kind));
        // JSON has no NaN: it becomes null.
        line.extend(scalars.iter().map(|(name, value)| (name.clone(), json!(value))));
        self.lines.write(&Value::Object(line))?;
        self.events.write(step, kind, scalars)
    }
}
