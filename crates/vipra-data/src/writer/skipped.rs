//! What could not be recorded, listed beside what was.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::source::Skipped;

/// The file of the list.
const FILE: &str = "skipped.json";

/// What earlier versions called it.
const FORMER_FILE: &str = "left_out.json";

/// Writes the list into a folder; no file if nothing was skipped.
pub(super) fn write(folder: &Path, skipped: &[Skipped]) -> Result<()> {
    if skipped.is_empty() {
        return Ok(());
    }
    let path = folder.join(FILE);
    let list =
        serde_json::to_value(skipped).map_err(|error| Error::metadata(&path, "(whole file)", error.to_string()))?;
    files::write_json(&path, &list)
}

/// The list in a folder.
pub(super) fn read(folder: &Path) -> Result<Vec<Skipped>> {
    for path in [FILE, FORMER_FILE].map(|name| folder.join(name)) {
        match fs::read_to_string(&path) {
            Ok(text) => {
                return serde_json::from_str(&text).map_err(|error| Error::json(&path, &error));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(&path, error)),
        }
    }
    Ok(Vec::new())
}

/// Removes the list of a folder.
pub(super) fn remove(folder: &Path) -> Result<()> {
    [FILE, FORMER_FILE].iter().try_for_each(|name| files::remove_file(&folder.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_an_earlier_version_is_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let skipped = |number: usize| Skipped { what: format!("episode {number}"), reason: "no such file".into() };
        assert_eq!(read(folder.path()).unwrap(), []);
        fs::write(folder.path().join(FORMER_FILE), serde_json::to_vec(&[skipped(1)]).unwrap()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), [skipped(1)]);
        write(folder.path(), &[skipped(1), skipped(2)]).unwrap();
        assert_eq!(read(folder.path()).unwrap(), [skipped(1), skipped(2)]);
        remove(folder.path()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
    }
}
