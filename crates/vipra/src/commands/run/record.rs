//! What is remembered of a stage: `stages/NAME.json` in the run folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vipra_data::writer::write_atomic;

use crate::config::{hash_files, strip_inference, strip_unread, with_defaults};
use crate::stage::Stage;

/// Changes when stages do other things with the same configuration.
const FORMAT: u32 = 1;
/// How much of a hash is kept.
pub const FINGERPRINT_LENGTH: usize = 16;
/// The folder of records.
pub const RECORDS: &str = "stages";

/// What a stage was made from, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub stage: String,
    /// How far it is.
    pub state: State,
    /// Of the configuration that it reads and of its inputs.
    pub fingerprint: String,
    /// Fingerprints of its inputs, by their names.
    pub inputs: BTreeMap<String, String>,
    /// The configuration that it reads.
    pub configuration: Value,
    /// Where its results lie, from the run folder.
    pub folder: String,
    /// The version of the program.
    pub version: String,
    /// When it first began, in UTC.
    pub began_at: String,
    /// When this was written, in UTC.
    pub written_at: String,
    /// How long it took, over all times that it was called.
    pub seconds: f64,
    /// The most memory that the process held during it, in MiB; None where the system does not say.
    pub peak_memory_mib: Option<f64>,
    /// The figure to look at first, in words.
    pub key_figure: String,
    /// All figures.
    pub figures: Map<String, Value>,
    /// The hash of the weights that came out; None before the end, and of a stage that leaves none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The results of its inputs that it was made from, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub input_results: BTreeMap<String, String>,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It began, and goes on when it is called again.
    Begun,
    /// Everything is there.
    Done,
}

impl Record {
    /// A stage that begins now.
    pub fn begin(stage: Stage, configuration: Value, inputs: BTreeMap<String, String>) -> Self {
        let now = now();
        Self {
            stage: stage.name().to_owned(),
            state: State::Begun,
            fingerprint: fingerprint(stage, &configuration, &inputs),
            inputs,
            configuration,
            folder: stage.folder().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            began_at: now.clone(),
            written_at: now,
            seconds: 0.0,
            peak_memory_mib: None,
            key_figure: String::new(),
            figures: Map::new(),
            result: None,
            input_results: BTreeMap::new(),
        }
    }

    /// Whether it was made from what `now` says, by a version of the program that knew fewer keys of the configuration, or
    /// took more of them for what the stage reads.
    pub fn same_recipe(&self, now: &Self, stage: Stage) -> bool {
        self.has_current_format(stage)
            && self.inputs == now.inputs
            && self.upgraded_configuration(stage, now) == now.configuration
    }

    /// Whether what took long is what `now` says, whatever else has changed of how that is used and measured.
    pub fn same_training_recipe(&self, now: &Self, stage: Stage) -> bool {
        // To episodes that another version of the program ran, none are added.
        let may_go_on = stage != Stage::Evaluate || self.version == now.version;
        let of_training = |mut configuration: Value| {
            strip_inference(stage, &mut configuration);
            configuration
        };
        may_go_on
            && self.has_current_format(stage)
            && self.inputs == now.inputs
            && of_training(self.upgraded_configuration(stage, now)) == of_training(now.configuration.clone())
    }

    /// The name of an input of which other weights came out than those that this was made from. Where earlier versions of the
    /// program left either unknown, they count as the same.
    pub fn other_result(&self, results: &BTreeMap<String, String>) -> Option<&String> {
        let is_other = |(name, result): &(&String, &String)| results.get(*name).is_some_and(|now| now != *result);
        self.input_results.iter().find(is_other).map(|(name, _)| name)
    }

    fn has_current_format(&self, stage: Stage) -> bool {
        fingerprint(stage, &self.configuration, &self.inputs) == self.fingerprint
    }

    /// Its configuration, as this version would have written it down.
    pub fn upgraded_configuration(&self, stage: Stage, now: &Self) -> Value {
        let mut configuration = self.configuration.clone();
        // Earlier versions knew data and weights by their paths.
        if let Some(named) = configuration.get_mut("named")
            && let Value::Object(by_path) = named
        {
            *named = by_path.values().cloned().collect();
        }
        strip_unread(stage, &mut configuration);
        hash_files(&mut configuration);
        with_defaults(configuration, &now.configuration)
    }

    /// Everything is there now.
    pub fn finish(&mut self, key_figure: String, figures: Map<String, Value>) {
        self.state = State::Done;
        (self.key_figure, self.figures) = (key_figure, figures);
    }

    /// What is remembered of a stage; None if nothing is.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(run: &Path, stage: Stage) -> Result<Option<Self>> {
        let path = path(run, stage);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!("no record that this version can read; without it the stage is made again: {}", path.display())
            }),
        }
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, run: &Path, stage: Stage) -> Result<()> {
        self.written_at = now();
        let path = path(run, stage);
        crate::files::create_parent(&path)?;
        Ok(write_atomic(&path, &serde_json::to_vec_pretty(self)?)?)
    }
}

/// Says that nothing is remembered of a stage any more.
///
/// # Errors
/// If its record cannot be removed.
pub fn forget(run: &Path, stage: Stage) -> Result<()> {
    let path = path(run, stage);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A text that changes when the stage would make something else.
fn fingerprint(stage: Stage, configuration: &Value, inputs: &BTreeMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new();
    let all = serde_json::json!([FORMAT, stage.name(), configuration, inputs]);
    hasher.update(all.to_string().as_bytes());
    hasher.finalize().to_hex()[..FINGERPRINT_LENGTH].to_owned()
}

fn path(run: &Path, stage: Stage) -> PathBuf {
    run.join(RECORDS).join(format!("{}.json", stage.name()))
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fingerprints_depend_on_stage_configuration_and_inputs() {
        let inputs = |fingerprint: &str| BTreeMap::from([("videos".to_owned(), fingerprint.to_owned())]);
        let one = fingerprint(Stage::Laq, &json!({ "steps": 1 }), &inputs("a"));
        assert_eq!(one, fingerprint(Stage::Laq, &json!({ "steps": 1 }), &inputs("a")));
        for other in [
            fingerprint(Stage::Tokenizer, &json!({ "steps": 1 }), &inputs("a")),
            fingerprint(Stage::Laq, &json!({ "steps": 2 }), &inputs("a")),
            fingerprint(Stage::Laq, &json!({ "steps": 1 }), &inputs("b")),
        ] {
            assert_ne!(one, other);
        }
    }

    /// A record of a configuration, as this version would write it.
    fn made_from(stage: Stage, configuration: Value) -> Record {
        Record::begin(stage, configuration, BTreeMap::new())
    }

    #[test]
    fn named_data_count_by_what_they_hold_in_their_order() {
        let named = |contents: Value| made_from(Stage::Videos, json!({ "named": contents, "fps": null }));
        let before = named(json!({ "/z": "one", "/b": "two" }));
        for (contents, is_same) in [(json!(["one", "two"]), true), (json!(["two", "one"]), false), (json!([]), false)] {
            assert_eq!(before.same_recipe(&named(contents.clone()), Stage::Videos), is_same, "{contents}");
        }
        assert!(named(json!(["one"])).same_recipe(&named(json!(["one"])), Stage::Videos));
    }

    #[test]
    fn weights_that_an_earlier_version_knew_by_their_path_are_those_that_lie_there() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["here.pth", "there.pth"].map(|name| folder.path().join(name));
        std::fs::write(&here, "weights").unwrap();
        std::fs::write(&there, "others").unwrap();
        let configuration = |path: &Path| json!({ "laq": { "spatial_encoder_weights": path } });
        let now = |path: &Path| {
            let mut configuration = configuration(path);
            hash_files(&mut configuration);
            made_from(Stage::Laq, configuration)
        };
        let before = made_from(Stage::Laq, configuration(&here));
        assert!(before.same_recipe(&now(&here), Stage::Laq));
        assert!(!before.same_recipe(&now(&there), Stage::Laq));
    }

    #[test]
    fn episodes_stay_when_others_are_asked_for_unless_another_version_ran_them() {
        let evaluation = |episodes: u32, parallel: u32| {
            let asked = json!({ "episodes": episodes, "parallel": parallel, "videos": episodes });
            made_from(Stage::Evaluate, json!({ "run": { "evaluation": asked } }))
        };
        let before = evaluation(1, 4);
        let more = evaluation(2, 4);
        assert!(!before.same_recipe(&more, Stage::Evaluate) && before.same_training_recipe(&more, Stage::Evaluate));
        assert!(!before.same_training_recipe(&evaluation(1, 5), Stage::Evaluate));
        let older = Record { version: "0.0.1".to_owned(), ..before };
        assert!(!older.same_training_recipe(&more, Stage::Evaluate));
    }

    #[test]
    fn a_package_is_all_that_depends_on_the_scenes_that_it_was_made_for() {
        let finetuned = |tasks: Value| {
            let tabletop = json!({ "tasks": tasks, "objects": [] });
            made_from(Stage::Finetune, json!({ "finetune": { "horizon": 4 }, "run": { "tabletop": tabletop } }))
        };
        let (before, now) = (finetuned(json!([])), finetuned(json!(["put"])));
        assert!(!before.same_recipe(&now, Stage::Finetune) && before.same_training_recipe(&now, Stage::Finetune));
        // An earlier version did not look at them.
        let older = made_from(Stage::Finetune, json!({ "finetune": { "horizon": 4 } }));
        assert!(older.same_recipe(&before, Stage::Finetune) && !older.same_recipe(&now, Stage::Finetune));
    }

    #[test]
    fn records_are_read_as_written_until_they_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(folder.path(), Stage::Laq).unwrap(), None);
        let mut record = Record::begin(Stage::Laq, json!({ "steps": 1 }), BTreeMap::new());
        record.finish("n 3".to_owned(), Map::new());
        record.write(folder.path(), Stage::Laq).unwrap();
        assert_eq!(Record::read(folder.path(), Stage::Laq).unwrap(), Some(record));
        std::fs::write(folder.path().join("stages/cache.json"), "{").unwrap();
        assert!(format!("{:#}", Record::read(folder.path(), Stage::Cache).unwrap_err()).contains("cache.json"));
        forget(folder.path(), Stage::Laq).unwrap();
        forget(folder.path(), Stage::Laq).unwrap();
        assert_eq!(Record::read(folder.path(), Stage::Laq).unwrap(), None);
    }
}
