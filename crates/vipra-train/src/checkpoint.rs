//! Checkpoints: folders that appear whole or not at all.
//!
//! `checkpoints/step-00001000/` holds `model.safetensors` (with the model's configuration in its header), `ema.safetensors`
//! if there is a moving average, `optimizer.safetensors`, and `state.json`: step, counts, the stage's own state and the
//! configuration. A checkpoint is written to a folder beside, brought to disk, and renamed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::module::Module;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vipra_nn::weights::{Names, Weights, load, save};

use crate::config::CheckpointConfig;
use crate::ema::MovingAverage;
use crate::optimizer::Optimizer;
use crate::{Error, Result};

/// File of the weights within a checkpoint.
pub const MODEL_FILE: &str = "model.safetensors";
/// File of the averaged weights within a checkpoint.
pub const EMA_FILE: &str = "ema.safetensors";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const STATE_FILE: &str = "state.json";
const PREFIX: &str = "step-";
/// End of the name of a folder in which a checkpoint is put together.
const UNFINISHED: &str = ".partial";
/// The folder of a run that its checkpoints lie in.
const FOLDER: &str = "checkpoints";

/// What a checkpoint holds beside tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Steps that changed nothing because their loss was no number.
    pub skipped: u64,
    /// What the stage keeps.
    pub stage: Value,
    /// Configuration of the run.
    pub configuration: Value,
}

/// The checkpoints of a run.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    config: CheckpointConfig,
}

/// Everything that goes into a checkpoint.
pub(crate) struct Contents<'a, M> {
    pub(crate) model: &'a M,
    pub(crate) average: Option<&'a MovingAverage<M>>,
    pub(crate) optimizer: &'a Optimizer,
    pub(crate) state: &'a State,
    pub(crate) metadata: &'a BTreeMap<String, String>,
}

impl Checkpoints {
    /// Those of a run folder.
    pub fn of_run(folder: &Path, config: CheckpointConfig) -> Self {
        Self { folder: folder.join(FOLDER), config }
    }

    /// Steps of all checkpoints, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn steps(&self) -> Result<Vec<u64>> {
        let names = self.names()?;
        let step = |name: &String| name.strip_prefix(PREFIX)?.parse::<u64>().ok();
        let mut steps: Vec<u64> = names.iter().filter_map(step).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// Names of everything in the folder; none where there is no folder.
    fn names(&self) -> Result<Vec<String>> {
        let fault = |error| Error::io("listing checkpoints", &self.folder, error);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(fault)?,
        };
        entries.map(|entry| Ok(entry.map_err(fault)?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Folder of the checkpoint of a step.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{PREFIX}{step:08}"))
    }

    /// Folder of the checkpoint of a step, if it is there.
    pub(crate) fn existing(&self, step: u64) -> Option<PathBuf> {
        Some(self.path(step)).filter(|path| path.is_dir())
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn latest(&self) -> Result<Option<PathBuf>> {
        Ok(self.steps()?.last().map(|step| self.path(*step)))
    }

    /// Removes what killed processes have left of checkpoints that they were writing: nothing else would.
    pub(crate) fn remove_unfinished(&self) -> Result<()> {
        let begins = format!(".{PREFIX}");
        let is_unfinished = |name: &String| name.starts_with(&begins) && name.ends_with(UNFINISHED);
        let names = self.names()?.into_iter().filter(is_unfinished);
        // A file of this name is not ours.
        let mut folders = names.map(|name| self.folder.join(name)).filter(|path| path.is_dir());
        folders.try_for_each(|folder| remove(&folder))
    }

    /// Writes a checkpoint, then removes those that are kept no longer.
    pub(crate) fn write<M: Module>(&self, contents: &Contents<'_, M>) -> Result<PathBuf> {
        let step = contents.state.step;
        let partial = self.folder.join(format!(".{PREFIX}{step:08}{UNFINISHED}"));
        let written = self.write_into(&partial, contents).and_then(|()| {
            let path = self.path(step);
            remove(&path)?;
            fs::rename(&partial, &path).map_err(|error| Error::io("renaming a checkpoint", &path, error))?;
            sync(&self.folder)?;
            Ok(path)
        });
        let path = written.map_err(|error| {
            // What could not be written whole only takes up the space that is missing.
            drop(remove(&partial));
            Error::CheckpointWrite { step, error: Box::new(error) }
        })?;
        self.prune()?;
        Ok(path)
    }

    fn write_into<M: Module>(&self, partial: &Path, contents: &Contents<'_, M>) -> Result<()> {
        remove(partial)?;
        fs::create_dir_all(partial).map_err(|error| Error::io("making a checkpoint", partial, error))?;
        let write = |name: &str, weights: Weights| -> Result<()> {
            let path = partial.join(name);
            weights.write_safetensors(&path)?;
            sync(&path)
        };
        let names = Names::default();
        let described = |model: &M| -> Result<Weights> {
            let mut weights = save(model, &names)?;
            weights.metadata = contents.metadata.clone();
            Ok(weights)
        };
        write(MODEL_FILE, described(contents.model)?)?;
        if let Some(average) = contents.average {
            write(EMA_FILE, described(average.average())?)?;
        }
        write(OPTIMIZER_FILE, contents.optimizer.to_weights())?;
        let path = partial.join(STATE_FILE);
        let state = serde_json::to_vec_pretty(contents.state)
            .map_err(|error| Error::Checkpoint { reason: error.to_string(), path: path.clone() })?;
        fs::write(&path, state).map_err(|error| Error::io("writing a checkpoint", &path, error))?;
        sync(&path)?;
        sync(partial)
    }

    /// Removes all but the newest checkpoints and the milestones.
    fn prune(&self) -> Result<()> {
        let steps = self.steps()?;
        let milestone = |step: u64| self.config.milestone_every > 0 && step.is_multiple_of(self.config.milestone_every);
        let others: Vec<u64> = steps.into_iter().filter(|step| !milestone(*step)).collect();
        let surplus = others.len().saturating_sub(self.config.keep);
        others[..surplus].iter().try_for_each(|step| remove(&self.path(*step)))
    }
}

/// The weights to use at a path: a weights file itself, those of a checkpoint (averaged weights first), or of the last
/// checkpoint of a run folder.
///
/// # Errors
/// [`Error::Checkpoint`] if there are none; [`Error::Io`].
pub fn find_weights(path: &Path) -> Result<PathBuf> {
    let fault = |reason: &str| Error::Checkpoint { reason: reason.to_owned(), path: path.to_path_buf() };
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    if !path.is_dir() {
        return Err(fault("there is no such file or folder"));
    }
    let checkpoint = Checkpoints::of_run(path, CheckpointConfig::default()).latest()?;
    let checkpoint = checkpoint.unwrap_or_else(|| path.to_path_buf());
    let files = [EMA_FILE, MODEL_FILE].map(|name| checkpoint.join(name));
    files.into_iter().find(|file| file.is_file()).ok_or_else(|| match trained_within(path).as_slice() {
        [] => fault("no checkpoint in this folder"),
        within => fault(&format!("no checkpoint in this folder, but in its folders {}: name one", within.join(", "))),
    })
}

/// Folders within one that trainings left checkpoints in, by name.
fn trained_within(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let trained = entries.filter(|entry| entry.path().join(FOLDER).is_dir());
    let mut names: Vec<String> = trained.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Reads what a checkpoint holds beside tensors.
///
/// # Errors
/// [`Error::Io`], [`Error::Checkpoint`].
pub fn read_state(checkpoint: &Path) -> Result<State> {
    let path = checkpoint.join(STATE_FILE);
    let bytes = fs::read(&path).map_err(|error| Error::io("reading a checkpoint", &path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Checkpoint { reason: error.to_string(), path })
}

/// Refuses a checkpoint that was made with another configuration, and says which fields differ.
pub(crate) fn check_configuration(checkpoint: &Path, state: &State, wanted: &Value) -> Result<()> {
    let (before, now) = (by_content(&state.configuration), by_content(wanted));
    let fields = differences(&known_to(&now, &before), &known_to(&before, &now));
    if fields.is_empty() {
        return Ok(());
    }
    Err(Error::Configuration { fields, path: checkpoint.to_path_buf() })
}

/// A configuration without the places where data lie, which may be moved: its `inputs.datasets` say what they hold.
fn by_content(configuration: &Value) -> Value {
    match configuration {
        Value::Array(items) => items.iter().map(by_content).collect(),
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(key, _)| *key != "path").map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("datasets", Value::Object(by_path)) => {
                        let contents: BTreeSet<String> = by_path.values().map(Value::to_string).collect();
                        contents.into_iter().collect()
                    }
                    _ => by_content(value),
                };
                (key.clone(), value)
            });
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

/// The keys of a configuration that another one has as well, but all of its `inputs`. A key that one of two versions of the
/// program does not know is for the caller to judge, who has the defaults.
fn known_to(other: &Value, configuration: &Value) -> Value {
    let (Value::Object(entries), Value::Object(other)) = (configuration, other) else { return configuration.clone() };
    let known = entries.iter().filter_map(|(key, value)| match (key.as_str(), other.get(key)) {
        ("inputs", _) => Some((key.clone(), value.clone())),
        (_, other) => Some((key.clone(), known_to(other?, value))),
    });
    Value::Object(known.collect())
}

/// Fields in which two configurations differ: "key: before, now".
pub fn differences(before: &Value, now: &Value) -> Vec<String> {
    let told = |(path, before, now): (String, &Value, &Value)| format!("{path}: {before} before, {now} now");
    differing_fields(before, now).into_iter().map(told).collect()
}

/// The first of some differences, and how many more there are: "a; b; 7 more".
pub fn first_of(differences: &[String]) -> String {
    const NAMED: usize = 5;
    let first = differences[..differences.len().min(NAMED)].join("; ");
    match differences.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first}; {more} more"),
    }
}

/// Fields in which two configurations differ, with what either says.
pub fn differing_fields<'a>(before: &'a Value, now: &'a Value) -> Vec<(String, &'a Value, &'a Value)> {
    type Found<'a> = Vec<(String, &'a Value, &'a Value)>;
    fn walk<'a>(path: &str, before: &'a Value, now: &'a Value, found: &mut Found<'a>) {
        match (before, now) {
            (Value::Object(left), Value::Object(right)) => {
                let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null), found);
                }
            }
            (before, now) if before != now => found.push((path.to_owned(), before, now)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", before, now, &mut found);
    found
}

/// The model with a checkpoint's weights.
pub(crate) fn load_model<M: Module>(checkpoint: &Path, file: &str, blank: M) -> Result<M> {
    let weights = Weights::read_safetensors(&checkpoint.join(file))?;
    Ok(load(blank, &weights, &Names::default())?)
}

/// The moments of a checkpoint.
pub(crate) fn load_optimizer(checkpoint: &Path) -> Result<Weights> {
    Ok(Weights::read_safetensors(&checkpoint.join(OPTIMIZER_FILE))?)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("removing a checkpoint", folder, error))
        }
        _ => Ok(()),
    }
}

fn sync(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| Error::io("bringing a checkpoint to disk", path, error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{by_content, differences};

    #[test]
    fn data_may_be_moved_but_not_changed() {
        let trained = |path: &str, split: &str, content: &str| {
            by_content(&json!({
                "data": { "sources": [{ "path": path, "split": split }] },
                "inputs": { "datasets": { path: content } },
            }))
        };
        let before = trained("/here", "0:9", "a");
        assert_eq!(differences(&before, &trained("/there", "0:9", "a")), [""; 0]);
        assert_eq!(differences(&before, &trained("/here", "0:8", "a")).len(), 1);
        assert_eq!(
            differences(&before, &trained("/here", "0:9", "b")),
            [r#"inputs.datasets: ["\"a\""] before, ["\"b\""] now"#]
        );
    }

    #[test]
    fn every_field_that_differs_is_named() {
        let before = json!({"model": {"dim": 128, "heads": 4}, "seed": 0});
        let now = json!({"model": {"dim": 64, "heads": 4}, "seed": 0, "new": true});
        assert_eq!(differences(&before, &now), ["model.dim: 128 before, 64 now", "new: null before, true now"]);
        assert!(differences(&now, &now).is_empty());
    }
}
