//! Places to write to.

use std::path::Path;

use anyhow::{Context, Result};

/// Makes the folder that a file is to be written to.
///
/// # Errors
/// If it cannot be made.
pub fn create_parent(file: &Path) -> Result<()> {
    match file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display())),
        None => Ok(()),
    }
}
