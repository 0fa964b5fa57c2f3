//! The folder of a run: what it was told, and what came of it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vipra_data::DataConfig;
use vipra_data::writer::write_atomic;
use vipra_train::checkpoint::{differences, first_of};

use crate::commands::Stage;
use crate::config::{Config, ConfigArgs, load, to_toml};

/// Held while a command works in the folder.
const LOCK: &str = "run.lock";
/// Models that a run is given lie here.
const MODELS_FOLDER: &str = "models";
/// The frame tokenizer that a run's model goes with.
pub const TOKENIZER_FILE: &str = "models/tokenizer.safetensors";
/// The latent action model that a run's model goes with.
pub const LAQ_FILE: &str = "models/latent-actions.safetensors";

/// A folder that begins with the resolved configuration, and belongs to this process as long as this lives.
pub struct RunFolder {
    path: PathBuf,
    /// Gives the folder free when it is closed.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder, takes it for this process, and writes `config.toml` into it.
    ///
    /// # Errors
    /// If it cannot be written, another process works in it, it holds a run of which `stage` read another configuration, or one
    /// that somebody wrote there.
    pub fn create(path: &Path, config: &Config, stage: Stage) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("making the run folder {}", path.display()))?;
        let lock = lock(path)?;
        let file = path.join("config.toml");
        let text = to_toml(config)?;
        match std::fs::read_to_string(&file) {
            Ok(before) if before == text => {}
            Ok(before) if !has_begun(path)? && !is_resolved(&before) => anyhow::bail!(
                "the run would write over the configuration in its folder: move that elsewhere, or name another folder by \
                 --run: {}",
                file.display()
            ),
            Ok(before) if has_begun(path)? && !means_the_same(&before, config, stage) => {
                let fields = differing_fields(&before, config);
                anyhow::bail!("the folder holds a run with another configuration ({fields}): {}", path.display())
            }
            // Another stage's run, with sections that this one does not read.
            Ok(before) if has_begun(path)? && !learns_the_same(&before, config) => {}
            // How its results are used may be told otherwise than before. Whole: a full disk must not take the run with it.
            _ => write_atomic(&file, text.as_bytes())?,
        }
        Ok(RunFolder { path: path.to_path_buf(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Keeps other processes out of a folder until the file is closed: two would write each other's checkpoints.
///
/// # Errors
/// If another process works in it, or the file cannot be written.
pub fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let lock = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("another process works in this folder: {}", folder.display())
        }
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            tracing::warn!("other processes are not kept out of {}: {error}", folder.display());
        }
    }
    Ok(lock)
}

/// The configuration that a run folder begins with, found from the run or from one of its checkpoints.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn config_of_run(model: &Path) -> Result<Config> {
    let file = model.ancestors().map(|folder| folder.join("config.toml")).find(|file| file.is_file());
    let file = file.with_context(|| {
        format!("no configuration beside the model says what was held out: name a dataset: {}", model.display())
    })?;
    load(&ConfigArgs { config: Some(file.display().to_string()), set: Vec::new() })
}

/// How far frames may be from the times of their rows, in seconds: as far as the run of a model was told, if it lies in a run folder
/// or is a package.
pub fn tolerance_of_run(model: &Path) -> f64 {
    let data = config_of_run(model).map_or_else(|_| DataConfig::default(), |config| config.data);
    data.tolerance_secs
}

/// Whether anything came of the run: a folder with nothing but what a run is given is one that could not begin.
fn has_begun(folder: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let is_given = |name: &std::ffi::OsStr| name == "config.toml" || name == LOCK || name == MODELS_FOLDER;
    let others = entries.filter(|entry| entry.as_ref().map_or(true, |entry| !is_given(&entry.file_name())));
    Ok(others.count() > 0)
}

/// Whether a stage is told to learn the same. Keys that another version did not know are what they are by default.
fn means_the_same(before: &str, now: &Config, stage: Stage) -> bool {
    let of_learning = |config: Config| config.read_by(stage).of_learning().ok();
    let before = toml::from_str::<Config>(before).ok().and_then(of_learning);
    before.is_some() && before == of_learning(now.clone())
}

/// Whether all sections say the same of what is learned.
fn learns_the_same(before: &str, now: &Config) -> bool {
    let before = toml::from_str::<Config>(before).ok().and_then(|config| config.of_learning().ok());
    before.is_some() && before == now.of_learning().ok()
}

/// Whether a configuration is one that the program has written, with all of its sections.
fn is_resolved(text: &str) -> bool {
    let sections = serde_json::to_value(Config::default()).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    sections.as_object().is_some_and(|sections| sections.keys().all(|section| table.contains_key(section)))
}

/// What differs between the configuration in the folder and the one asked for.
fn differing_fields(before: &str, now: &Config) -> String {
    let as_json = |text: &str| text.parse::<toml::Table>().ok().and_then(|table| serde_json::to_value(table).ok());
    let fields = match (as_json(before), serde_json::to_value(now).ok()) {
        (Some(before), Some(now)) => differences(&before, &now),
        _ => Vec::new(),
    };
    if fields.is_empty() { "its config.toml cannot be compared".to_owned() } else { first_of(&fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder in which `config` has begun; what else its configuration is to be.
    fn begun(config: &Config, edit: impl Fn(&str) -> String) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        RunFolder::create(folder.path(), config, Stage::Laq).unwrap();
        std::fs::write(folder.path().join("metrics.jsonl"), "{}").unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, edit(&std::fs::read_to_string(&file).unwrap())).unwrap();
        folder
    }

    #[test]
    fn a_run_goes_on_whatever_the_comments_of_its_configuration_say() {
        let mut config = Config::default();
        let bare = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        let folder = begun(&config, bare);
        RunFolder::create(folder.path(), &config, Stage::Laq).unwrap();
        config.data.seed += 1;
        let refused = RunFolder::create(folder.path(), &config, Stage::Laq).err().unwrap().to_string();
        assert!(refused.contains("data.seed: 0 before, 1 now"), "{refused}");
    }

    #[test]
    fn what_somebody_wrote_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "base = \"tiny\" # mine\n").unwrap();
        let refused = RunFolder::create(folder.path(), &Config::default(), Stage::Laq).err().unwrap().to_string();
        assert!(refused.contains("write over the configuration"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "base = \"tiny\" # mine\n");
    }

    #[test]
    fn how_a_policy_acts_may_be_told_anew() {
        let mut config = Config::default();
        let folder = begun(&config, str::to_owned);
        config.finetune.crops = 5;
        RunFolder::create(folder.path(), &config, Stage::Finetune).unwrap();
        assert!(std::fs::read_to_string(folder.path().join("config.toml")).unwrap().contains("\ncrops = 5\n"));
    }

    #[test]
    fn a_folder_belongs_to_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let first = RunFolder::create(folder.path(), &config, Stage::Laq).unwrap();
        let refused = RunFolder::create(folder.path(), &config, Stage::Laq).err().unwrap().to_string();
        assert!(refused.contains("another process works in this folder: "), "{refused}");
        drop(first);
        // Nothing has begun, whatever the lock has left.
        config.data.seed += 1;
        RunFolder::create(folder.path(), &config, Stage::Laq).unwrap();
    }

    #[test]
    fn a_run_goes_on_with_keys_that_came_later_and_whatever_its_stage_does_not_read() {
        let mut config = Config::default();
        let older = |text: &str| text.replace("\nframe_interval_secs = 0.4\n", "\n").replace("\nframes = 8\n", "\n");
        let folder = begun(&config, older);
        assert!(!std::fs::read_to_string(folder.path().join("config.toml")).unwrap().contains("\nframes = 8\n"));
        RunFolder::create(folder.path(), &config, Stage::Laq).unwrap();
        config.finetune.horizon += 1;
        config.data.loader.prefetch += 1;
        config.laq.train.log_every += 1;
        assert!(RunFolder::create(folder.path(), &config, Stage::Finetune).is_err());
        let kept = std::fs::read_to_string(folder.path().join("config.toml")).unwrap();
        RunFolder::create(folder.path(), &config, Stage::Laq).unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.path().join("config.toml")).unwrap(),
            kept,
            "others' sections are lost"
        );
        config.data.clip.frames += 1;
        assert!(RunFolder::create(folder.path(), &config, Stage::Laq).is_err());
    }
}
