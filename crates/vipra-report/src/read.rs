//! Reading what may be absent.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Result};

/// The files of a folder that end so, by name; none where there is no folder.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_file() && path.extension().is_some_and(|found| found == extension));
    Ok(found)
}

/// The folders within a folder, by name; none where there is no folder.
pub(crate) fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_dir());
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut found =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().map_err(Error::io(folder))?;
    found.sort();
    Ok(found)
}

/// A text file; None where there is none.
pub(crate) fn text(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(file)(error)),
    }
}

/// A JSON file.
pub(crate) fn json(file: &Path) -> Result<Value> {
    let bytes = std::fs::read(file).map_err(Error::io(file))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::content(error, file))
}

/// A JSON file; None where there is none.
pub(crate) fn json_optional(file: &Path) -> Result<Option<Value>> {
    if file.exists() { json(file).map(Some) } else { Ok(None) }
}
