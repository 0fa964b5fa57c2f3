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
    /// The hash of the weights that came out, of a stage that leaves some.
    pub result: Option<String>,
    /// The results of its inputs that it was made from, by the names of their stages.
    #[serde(default)]
    pub input_results: BTreeMap<String, String>,
}

impl StageRecord {
    /// Whether it came to its end.
    pub fn is_done(&self) -> bool {
        self.state == "done"
    }

    /// Whether it was made from the weights that an input has now; of what either does not know, it counts as made from them.
    fn has_result_of(&self, input: &str, now: &Self) -> bool {
        let before = self.input_results.get(input);
        before.is_none() || now.result.is_none() || before == now.result.as_ref()
    }
}

/// Records with the names of their stages, in the order of the stages.
pub(crate) type Records = [(String, StageRecord)];

/// Stages that were made from something else than the run has now, with the inputs that are others.
#[derive(Debug, Default)]
pub(crate) struct Outdated(BTreeMap<String, Vec<String>>);

impl Outdated {
    /// By the records of a run: a stage is outdated if one of its inputs is another now, is outdated itself or has no record.
    pub(crate) fn of(records: &Records) -> Self {
        let mut found = Self::default();
        for (name, record) in records {
            let is_current = |input: &str, fingerprint: &str| {
                let now = records.iter().find(|(known, _)| known == input).map(|(_, now)| now);
                let is_same =
                    now.is_some_and(|now| now.fingerprint == *fingerprint && record.has_result_of(input, now));
                is_same && !found.0.contains_key(input)
            };
            let others = record.inputs.iter().filter(|(input, fingerprint)| !is_current(input, fingerprint));
            let others: Vec<String> = others.map(|(input, _)| input.clone()).collect();
            if !others.is_empty() {
                found.0.insert(name.clone(), others);
            }
        }
        found
    }

    /// "made from earlier results of cache and laq", of a stage that is outdated.
    pub(crate) fn note(&self, stage: &str) -> Option<String> {
        Some(format!("made from earlier results of {}", self.0.get(stage)?.join(" and ")))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(fingerprint: &str, inputs: Value, result: &str, input_results: Value) -> StageRecord {
        let record = json!({
            "state": "done", "fingerprint": fingerprint, "inputs": inputs, "result": result, "input_results": input_results,
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn what_is_made_from_something_outdated_is_outdated() {
        let mut records = vec![
            ("videos".to_owned(), record("v", json!({}), "", json!({}))),
            ("laq".to_owned(), record("l", json!({ "videos": "v" }), "weights", json!({}))),
            ("pretrain".to_owned(), record("p", json!({ "laq": "l", "videos": "v" }), "", json!({ "laq": "weights" }))),
            ("finetune".to_owned(), record("f", json!({ "pretrain": "p" }), "", json!({}))),
        ];
        let notes = |records: &Records| {
            let outdated = Outdated::of(records);
            ["laq", "pretrain", "finetune"].map(|stage| outdated.note(stage).unwrap_or_default())
        };
        assert_eq!(notes(&records), ["", "", ""]);
        let outdated = ["", "made from earlier results of laq", "made from earlier results of pretrain"];
        records[1].1.result = Some("others".to_owned());
        assert_eq!(notes(&records), outdated);
        records[1].1.result = None;
        assert_eq!(notes(&records), ["", "", ""], "what is not known says nothing");
        records[1].1.fingerprint = "another".to_owned();
        assert_eq!(notes(&records), outdated);
        records.remove(0);
        assert_eq!(notes(&records)[1], "made from earlier results of laq and videos");
    }
}
