//! What `vipra run` writes down of a stage.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::layout::{STAGE_ORDER, STAGES};
use crate::read::{files, json};
use crate::{Error, Result};

/// A stage: RUN/stages/NAME.json, as far as the report shows it. Whatever was not measured is absent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct StageRecord {
    /// "done", or "begun" for one that was interrupted.
    pub state: String,
    /// What it was made of: configuration that it reads, inputs, kind of data.
    pub fingerprint: String,
    /// Fingerprints of its inputs, by the names of the stages that made them.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// How long it took, over all times that it was called.
    pub seconds: Option<f64>,
    /// The most memory that the process held during it.
    pub peak_memory_mib: Option<f64>,
    /// When it was written down, by the clock.
    pub written_at: Option<String>,
    /// Of the program.
    pub version: Option<String>,
    /// The figure to look at first, in words.
    #[serde(default)]
    pub key_figure: String,
    /// All figures, by name.
    #[serde(default)]
    pub figures: Map<String, Value>,
}

impl StageRecord {
    /// Whether it came to its end.
    pub fn is_done(&self) -> bool {
        self.state == "done"
    }
}

/// The records of a run with their stages' names, in the order of the stages.
pub(crate) fn records(run: &Path) -> Result<Vec<(String, StageRecord)>> {
    let mut found = Vec::new();
    for file in files(&run.join(STAGES), "json")? {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| Error::content("a file without a name", &file))?;
        let record = serde_json::from_value(json(&file)?).map_err(|error| Error::content(error, &file))?;
        found.push((name, record));
    }
    let place = |name: &str| STAGE_ORDER.iter().position(|known| *known == name).unwrap_or(STAGE_ORDER.len());
    found.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    Ok(found)
}
