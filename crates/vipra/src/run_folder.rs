//! The folder of a run: what it was told, and what came of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config::{Config, to_toml};

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
        match std::fs::read_to_string(&file) {
            Ok(before) if before != text => {
                anyhow::bail!("the folder holds a run with another configuration: {}", path.display())
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
