//! Checkpoints: folders that appear whole or not at all.
//!
//! `checkpoints/step-00001000/` holds `model.safetensors` (with the model's configuration in its header), `ema.safetensors`
//! if there is a moving average, `optimizer.safetensors`, and `state.json`: step, counts, the stage's own state and the
//! configuration. A checkpoint is written to a temporary folder beside, synced to disk, and renamed.

mod comparison;
mod json_diff;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::module::Module;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vipra_nn::weights::{Names, Weights, load, save};

pub(crate) use comparison::check_configuration;
pub use json_diff::{differences, differing_fields, first_of};

use crate::config::CheckpointConfig;
use crate::ema::MovingAverage;
use crate::optimizer::Optimizer;
use crate::{Error, Result};

/// File of the weights within a checkpoint.
pub(crate) const MODEL_FILE: &str = "model.safetensors";
/// File of the averaged weights within a checkpoint.
pub(crate) const EMA_FILE: &str = "ema.safetensors";
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const STATE_FILE: &str = "state.json";
const PREFIX: &str = "step-";
/// Suffix of the folder to which a checkpoint is written before it is renamed.
const UNFINISHED: &str = ".partial";
/// Folder of the checkpoints within that of a run.
const FOLDER: &str = "checkpoints";

/// Everything in a checkpoint but tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Steps that were skipped because their loss or gradient was not finite.
    pub skipped: u64,
    /// State of the stage.
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

/// Contents of a checkpoint that is written.
pub(crate) struct Contents<'a, M> {
    pub(crate) model: &'a M,
    pub(crate) average: Option<&'a MovingAverage<M>>,
    pub(crate) optimizer: &'a Optimizer,
    pub(crate) state: &'a State,
    pub(crate) metadata: &'a BTreeMap<String, String>,
}

impl Checkpoints {
    /// The checkpoints of a run folder.
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

    /// Names of everything in the folder; none if there is no folder.
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

    /// Folder of the checkpoint of a step, if it exists.
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

    /// Removes unfinished checkpoints that killed processes have left; nothing else does.
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
            // A partial checkpoint would only take up space, which may be what is missing.
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

/// The weights file to use at a path: the file itself, that of a checkpoint (averaged weights first), or that of the last
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

/// Names of the run folders within a folder that have checkpoints.
fn trained_within(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let trained = entries.filter(|entry| entry.path().join(FOLDER).is_dir());
    let mut names: Vec<String> = trained.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Reads everything in a checkpoint but tensors.
///
/// # Errors
/// [`Error::Io`], [`Error::Checkpoint`].
pub fn read_state(checkpoint: &Path) -> Result<State> {
    let path = checkpoint.join(STATE_FILE);
    let bytes = fs::read(&path).map_err(|error| Error::io("reading a checkpoint", &path, error))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Checkpoint { reason: error.to_string(), path })
}

/// Refuses a run folder whose newest checkpoint was made with another configuration than the wanted one. Without checkpoints
/// any configuration is fine.
///
/// # Errors
/// [`Error::Configuration`] with the fields that differ; [`Error::Io`], [`Error::Checkpoint`].
pub fn check_run(folder: &Path, wanted: &Value) -> Result<()> {
    match Checkpoints::of_run(folder, CheckpointConfig::default()).latest()? {
        Some(checkpoint) => check_configuration(&checkpoint, &read_state(&checkpoint)?, wanted),
        None => Ok(()),
    }
}

/// The model with a checkpoint's weights.
pub(crate) fn load_model<M: Module>(checkpoint: &Path, file: &str, blank: M) -> Result<M> {
    let weights = Weights::read_safetensors(&checkpoint.join(file))?;
    Ok(load(blank, &weights, &Names::default())?)
}

/// The optimiser's state in a checkpoint.
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
