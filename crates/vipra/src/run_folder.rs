//! The folder of a run: what it was told, and what came of it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::writer::write_atomic;
use vipra_train::CheckpointConfig;
use vipra_train::checkpoint::{Checkpoints, check_run, differences, first_of};

use crate::config::{Config, ConfigArgs, load, to_toml};
use crate::files::check_no_dataset;
use crate::stage::Stage;

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
    /// Makes the folder, takes it for this process, and writes `config.toml` into it. `trained_with` is what the checkpoints of
    /// a training are compared with, its inputs among it; none of a command that trains nothing.
    ///
    /// # Errors
    /// If it cannot be written, another process works in it, it holds a run of which `stage` read another configuration, one
    /// of other inputs, or one that somebody wrote there.
    pub fn create(path: &Path, config: &Config, stage: Stage, trained_with: Option<&Value>) -> Result<Self> {
        check_no_dataset(path)?;
        std::fs::create_dir_all(path).with_context(|| format!("making the run folder {}", path.display()))?;
        let lock = lock(path)?;
        let file = path.join("config.toml");
        let text = to_toml(config)?;
        let stored = std::fs::read_to_string(&file).ok();
        let other = stored.as_deref().filter(|stored| *stored != text);
        if let Some(other) = other {
            check_stored(other, config, stage, path)?;
        }
        if let Some(trained_with) = trained_with {
            check_run(path, trained_with)?;
        }
        let keeps = match other {
            Some(other) => has_begun(path)? && keeps_stored(other, config, trained_with.is_some(), path)?,
            None => stored.is_some(),
        };
        if !keeps {
            // Whole: a full disk must not take the run with it.
            write_atomic(&file, text.as_bytes())?;
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

/// Refuses a folder whose configuration somebody wrote, or by which another run than that of `stage` began.
fn check_stored(stored: &str, config: &Config, stage: Stage, folder: &Path) -> Result<()> {
    if !has_begun(folder)? {
        anyhow::ensure!(
            is_resolved(stored),
            "the run would write over the configuration in its folder: move that elsewhere, or name another folder by \
             --run: {}",
            folder.join("config.toml").display()
        );
    } else if !same_stage_recipe(stored, config, stage) {
        let fields = differing_fields(stored, config);
        anyhow::bail!(
            "the folder holds a run with another configuration ({fields}); name another by --run, or begin that of `vipra run` \
             anew by --from {}: {}",
            stage.name(),
            folder.display()
        );
    }
    Ok(())
}

/// Whether the configuration of a run stays as it is: that of another stage's run, with sections that this one does not read,
/// and that of a training before a command that trains nothing. How results are used may be told otherwise than before.
fn keeps_stored(stored: &str, config: &Config, trains: bool, folder: &Path) -> Result<bool> {
    let is_of_training = || Checkpoints::of_run(folder, CheckpointConfig::default()).latest();
    Ok(!same_training_recipe(stored, config) || !trains && is_of_training()?.is_some())
}

/// Whether a stage is told to learn the same. Keys that another version did not know are what they are by default.
fn same_stage_recipe(stored: &str, now: &Config, stage: Stage) -> bool {
    let recipe = |config: &Config| config.stage_recipe(stage).ok();
    let stored = toml::from_str::<Config>(stored).ok().and_then(|stored| recipe(&stored));
    stored.is_some() && stored == recipe(now)
}

/// Whether all sections say the same of what is learned.
fn same_training_recipe(stored: &str, now: &Config) -> bool {
    let stored = toml::from_str::<Config>(stored).ok().and_then(|stored| stored.training_recipe().ok());
    stored.is_some() && stored == now.training_recipe().ok()
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
    use serde_json::json;

    use super::*;

    /// Takes the folder for a training without inputs.
    fn create(folder: &Path, config: &Config, stage: Stage) -> Result<RunFolder> {
        RunFolder::create(folder, config, stage, Some(&json!({})))
    }

    fn configuration_in(folder: &Path) -> String {
        std::fs::read_to_string(folder.join("config.toml")).unwrap()
    }

    /// A folder in which `config` has begun; what else its configuration is to be.
    fn begun(config: &Config, edit: impl Fn(&str) -> String) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), config, Stage::Laq).unwrap();
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
        create(folder.path(), &config, Stage::Laq).unwrap();
        config.data.seed += 1;
        let refused = create(folder.path(), &config, Stage::Laq).err().unwrap().to_string();
        assert!(refused.contains("data.seed: 0 before, 1 now"), "{refused}");
    }

    #[test]
    fn what_somebody_wrote_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "base = \"tiny\" # mine\n").unwrap();
        let refused = create(folder.path(), &Config::default(), Stage::Laq).err().unwrap().to_string();
        assert!(refused.contains("write over the configuration"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "base = \"tiny\" # mine\n");
    }

    #[test]
    fn how_a_policy_acts_may_be_told_anew() {
        let mut config = Config::default();
        let folder = begun(&config, str::to_owned);
        config.finetune.crops = 5;
        create(folder.path(), &config, Stage::Finetune).unwrap();
        assert!(std::fs::read_to_string(folder.path().join("config.toml")).unwrap().contains("\ncrops = 5\n"));
    }

    #[test]
    fn a_folder_belongs_to_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let first = create(folder.path(), &config, Stage::Laq).unwrap();
        let refused = create(folder.path(), &config, Stage::Laq).err().unwrap().to_string();
        assert!(refused.contains("another process works in this folder: "), "{refused}");
        drop(first);
        // Nothing has begun, whatever the lock has left.
        config.data.seed += 1;
        create(folder.path(), &config, Stage::Laq).unwrap();
    }

    #[test]
    fn a_run_goes_on_with_keys_that_came_later_and_whatever_its_stage_does_not_read() {
        let mut config = Config::default();
        let older = |text: &str| text.replace("\nframe_interval_secs = 0.4\n", "\n").replace("\nframes = 8\n", "\n");
        let folder = begun(&config, older);
        assert!(!std::fs::read_to_string(folder.path().join("config.toml")).unwrap().contains("\nframes = 8\n"));
        create(folder.path(), &config, Stage::Laq).unwrap();
        config.finetune.horizon += 1;
        config.data.loader.prefetch += 1;
        config.laq.train.log_every += 1;
        assert!(create(folder.path(), &config, Stage::Finetune).is_err());
        let kept = std::fs::read_to_string(folder.path().join("config.toml")).unwrap();
        create(folder.path(), &config, Stage::Laq).unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.path().join("config.toml")).unwrap(),
            kept,
            "others' sections are lost"
        );
        config.data.clip.frames += 1;
        assert!(create(folder.path(), &config, Stage::Laq).is_err());
    }

    /// Writes what a checkpoint of a training on `content` is compared with.
    fn checkpoint(folder: &Path, content: &str) -> Value {
        let trained_with = json!({ "inputs": { "datasets": [content] } });
        let checkpoint = Checkpoints::of_run(folder, CheckpointConfig::default()).path(4);
        std::fs::create_dir_all(&checkpoint).unwrap();
        let state = json!({ "step": 4, "skipped": 0, "stage": null, "configuration": trained_with });
        std::fs::write(checkpoint.join("state.json"), state.to_string()).unwrap();
        trained_with
    }

    #[test]
    fn what_is_refused_leaves_the_configuration_as_it_is() {
        let on = |path: &str| {
            let mut config = Config::default();
            config.data.sources = vec![vipra_data::SourceConfig::new(path)];
            config
        };
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), &on("/here"), Stage::Laq).unwrap();
        let trained_with = checkpoint(folder.path(), "one");
        let before = configuration_in(folder.path());
        let train = |config: &Config, trained_with: &Value| {
            RunFolder::create(folder.path(), config, Stage::Laq, Some(trained_with)).map(drop)
        };
        let others = json!({ "inputs": { "datasets": ["another"] } });
        let refused = train(&on("/there"), &others).unwrap_err().to_string();
        assert!(refused.contains("inputs.datasets"), "{refused}");
        assert_eq!(configuration_in(folder.path()), before);
        // Who only looks at clips of other data does not make them those of the training.
        RunFolder::create(folder.path(), &on("/there"), Stage::Videos, None).map(drop).unwrap();
        assert_eq!(configuration_in(folder.path()), before);
        // Data that were moved are the same data.
        train(&on("/there"), &trained_with).unwrap();
        assert!(configuration_in(folder.path()).contains("path = \"/there\""));
    }

    #[test]
    fn a_tokenizer_goes_on_whatever_clips_and_text_tokens_are() {
        let mut config = Config::default();
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), &config, Stage::Tokenizer).unwrap();
        std::fs::write(folder.path().join("metrics.jsonl"), "{}").unwrap();
        config.tokenizer.text.vocab_size += 1;
        config.data.clip.interval_secs *= 2.0;
        create(folder.path(), &config, Stage::Tokenizer).unwrap();
        assert!(create(folder.path(), &config, Stage::Pretrain).is_err());
    }
}
