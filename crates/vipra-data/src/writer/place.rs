//! The folder that a dataset is written to: is it free, is it ours alone.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{FINISHED, OPTIONS, RECORDING, WriterOptions, finish, skipped};
use crate::error::{Error, Result};
use crate::files;

/// The folder's full path, without links, so that it can be exchanged for another.
pub(super) fn resolve(root: &Path) -> Result<PathBuf> {
    if root.exists() {
        return fs::canonicalize(root).map_err(|error| Error::io(root, error));
    }
    let absolute = std::path::absolute(root).map_err(|error| Error::io(root, error))?;
    if let Some(parent) = absolute.parent() {
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        let parent = fs::canonicalize(parent).map_err(|error| Error::io(parent, error))?;
        return Ok(parent.join(absolute.file_name().unwrap_or_default()));
    }
    Ok(absolute)
}

/// Refuses a folder that holds something, or that cannot be exchanged for another at the end.
pub(super) fn check_usable(root: &Path) -> Result<()> {
    let Ok(metadata) = fs::metadata(root) else { return Ok(()) };
    let refuse = |reason: &str| Err(Error::Invalid(format!("{reason}: {}", root.display())));
    if !metadata.is_dir() {
        return refuse("this is a file, a dataset is a folder");
    }
    let parent = root.parent().and_then(|parent| fs::metadata(parent).ok());
    if parent.is_none_or(|parent| parent.dev() != metadata.dev()) {
        return refuse("this folder is a mount point: name a folder inside of it");
    }
    let begun = root.join(RECORDING).is_dir();
    let only_recording = |entry: &PathBuf| entry.file_name().is_some_and(|name| name == RECORDING);
    let entries = crate::source::sorted_entries(root)?;
    if !begun && root.join("meta").join(FINISHED).is_file() {
        return refuse("a finished dataset lies here: choose another folder");
    }
    if !begun && !entries.is_empty() {
        return refuse("the folder is not empty");
    }
    // A recording that died before it had written what it is has nothing but its own folder.
    if begun && !root.join(RECORDING).join(OPTIONS).is_file() && !entries.iter().all(only_recording) {
        return refuse("the folder is not empty");
    }
    Ok(())
}

/// Makes the folder of a recording and keeps other processes out of it.
pub(super) fn lock(root: &Path) -> Result<File> {
    let folder = root.join(RECORDING);
    fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| Error::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Invalid(format!("another process is recording into this folder: {}", root.display())))
        }
        Err(TryLockError::Error(error)) => Err(Error::io(&path, error)),
    }
}

/// Removes what an earlier recording left that never got to a first episode, or that died after its last.
pub(super) fn remove_leftovers(root: &Path) -> Result<()> {
    files::remove_folder(&files::sibling(root, finish::FINISHING))?;
    for folder in ["meta", "data", "videos"] {
        files::remove_folder(&root.join(folder))?;
    }
    for entry in crate::source::sorted_entries(&root.join(RECORDING))? {
        if entry.is_dir() {
            files::remove_folder(&entry)?;
        }
    }
    skipped::remove(&root.join(RECORDING))
}

/// Reads the options that a recording was begun with.
pub(super) fn read_options(path: &Path) -> Result<WriterOptions> {
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    serde_json::from_str(&text).map_err(|error| Error::json(path, &error))
}
