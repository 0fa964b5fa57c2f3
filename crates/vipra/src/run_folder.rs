//! The folder of a run: what it was told, and what came of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vipra_train::checkpoint::differences;

use crate::config::{Config, ConfigArgs, load, to_toml};

/// Models that a run is given lie here.
const MODELS_FOLDER: &str = "models";
/// The frame tokenizer that a run's model goes with.
pub const TOKENIZER_FILE: &str = "models/tokenizer.safetensors";
/// The latent action model that a run's model goes with.
pub const LAQ_FILE: &str = "models/latent-actions.safetensors";

/// A folder that begins with the resolved configuration.
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder and writes `config.toml` into it.
    ///
    /// # Errors
    /// If it cannot be written, or holds a run with another configuration.
    pub fn create(path: &Path, config: &Config) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("making the run folder {}", path.display()))?;
        let file = path.join("config.toml");
        let text = to_toml(config)?;
        // What keys mean stands in comments, which say it in other words in another version.
        let says_the_same = |before: &str| before.parse::<toml::Table>().ok() == text.parse::<toml::Table>().ok();
        match std::fs::read_to_string(&file) {
            // Written again it would be lost on a full disk, and with it the run.
            Ok(before) if says_the_same(&before) => {}
            Ok(before) if has_begun(path)? => {
                let fields = differing_fields(&before, config);
                anyhow::bail!("the folder holds a run with another configuration ({fields}): {}", path.display())
            }
            _ => std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?,
        }
        Ok(RunFolder { path: path.to_path_buf() })
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

/// Whether anything came of the run: a folder with nothing but what a run is given is one that could not begin.
fn has_begun(folder: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let is_given = |name: &std::ffi::OsStr| name == "config.toml" || name == MODELS_FOLDER;
    let others = entries.filter(|entry| entry.as_ref().map_or(true, |entry| !is_given(&entry.file_name())));
    Ok(others.count() > 0)
}

/// What differs between the configuration in the folder and the one asked for.
fn differing_fields(before: &str, now: &Config) -> String {
    let as_json = |text: &str| text.parse::<toml::Table>().ok().and_then(|table| serde_json::to_value(table).ok());
    let fields = match (as_json(before), serde_json::to_value(now).ok()) {
        (Some(before), Some(now)) => differences(&before, &now),
        _ => Vec::new(),
    };
    if fields.is_empty() { "its config.toml cannot be compared".to_owned() } else { fields.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_whatever_the_comments_of_its_configuration_say() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let mut config = Config::default();
        RunFolder::create(folder.path(), &config).unwrap();
        std::fs::write(folder.path().join("metrics.jsonl"), "{}").unwrap();
        let bare: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        let bare: Vec<String> = bare.into_iter().filter(|line| !line.starts_with('#')).collect();
        std::fs::write(&file, bare.join("\n")).unwrap();
        RunFolder::create(folder.path(), &config).unwrap();
        config.data.seed += 1;
        let refused = RunFolder::create(folder.path(), &config).err().unwrap().to_string();
        assert!(refused.contains("data.seed: 0 before, 1 now"), "{refused}");
    }
}
