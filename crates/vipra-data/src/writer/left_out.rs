//! What could not be recorded, listed beside what was.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::layout;
use crate::error::{Error, Result};
use crate::source::Skipped;

/// The file of the list.
const LEFT_OUT: &str = "left_out.json";

/// Writes the list into a folder; no file if nothing was left out.
pub(super) fn write(folder: &Path, left_out: &[Skipped]) -> Result<()> {
    if left_out.is_empty() {
        return Ok(());
    }
    let path = folder.join(LEFT_OUT);
    let list =
        serde_json::to_value(left_out).map_err(|error| Error::metadata(&path, "(whole file)", error.to_string()))?;
    layout::write_json(&path, &list)
}

/// The list in a folder.
pub(super) fn read(folder: &Path) -> Result<Vec<Skipped>> {
    let path = folder.join(LEFT_OUT);
    match fs::read_to_string(&path) {
        Ok(text) => {
            serde_json::from_str(&text).map_err(|error| Error::metadata(&path, "(whole file)", error.to_string()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io(&path, error)),
    }
}

/// Removes the list of a folder.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let path = folder.join(LEFT_OUT);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(&path, error)),
        _ => Ok(()),
    }
}
