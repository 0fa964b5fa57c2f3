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

/// The last part of a path, as a name for what is made of it.
pub fn folder_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "dataset".to_owned(), |name| name.to_string_lossy().into_owned())
}
