//! Files and folders that appear whole or not at all, durably.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Replaces a file at once: readers see the old content or the new, never a part.
///
/// # Errors
/// [`Error::Io`].
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let fault = |error: std::io::Error| Error::io(path, error);
    let mut file = NamedTempFile::new_in(folder_of(path)).map_err(fault)?;
    file.write_all(content).map_err(fault)?;
    persist(file, path)
}

/// Gives a complete temporary file, which lies in the folder of `path`, that name.
pub(crate) fn persist(file: NamedTempFile, path: &Path) -> Result<()> {
    let fault = |error: std::io::Error| Error::io(path, error);
    file.as_file().sync_all().map_err(fault)?;
    // Temporary files are private; the dataset is not.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(permissions).map_err(fault)?;
    file.persist(path).map_err(|error| fault(error.error))?;
    sync_folder(folder_of(path))
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the entries of a folder durable; a file that was renamed into it can be lost otherwise.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Error::io(folder, error))
}

/// Moves a complete file into place, durably.
pub(crate) fn put(from: &Path, to: &Path) -> Result<()> {
    create_parent(to)?;
    File::open(from).and_then(|file| file.sync_all()).map_err(|error| Error::io(from, error))?;
    fs::rename(from, to).map_err(|error| Error::io(to, error))?;
    // The folder and the one above it, in case the folder is new.
    to.ancestors().skip(1).take(2).try_for_each(sync_folder)
}

pub(crate) fn write_json(path: &Path, value: &serde_json::Value) -> Result<()> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(value, &mut serializer)
        .map_err(|error| Error::metadata(path, "(whole file)", error.to_string()))?;
    write_atomic(path, &bytes)
}

pub(crate) fn create_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|error| Error::io(parent, error)),
        None => Ok(()),
    }
}

/// Removes a folder, if it is there.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io(folder, error)),
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// Puts the folder `new` in the place of `old`, which goes, in one step where the file system can.
///
/// # Errors
/// [`Error::Io`].
pub fn replace_folder(new: &Path, old: &Path) -> Result<()> {
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            let aside = sibling(old, "old");
            fs::rename(old, &aside).map_err(|error| Error::io(old, error))?;
            fs::rename(new, old).map_err(|error| Error::io(new, error))?;
            fs::rename(&aside, new).map_err(|error| Error::io(&aside, error))?;
        }
        Err(error) => return Err(Error::io(old, error.into())),
    }
    if let Some(parent) = old.parent() {
        sync_folder(parent)?;
    }
    remove_folder(new)
}

/// A hidden folder beside `root`.
pub(crate) fn sibling(root: &Path, suffix: &str) -> PathBuf {
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    root.with_file_name(format!(".{name}.{suffix}"))
}

/// Whether a file or folder, which need not be there yet, lies in the folder of a dataset.
///
/// # Errors
/// [`Error::Io`] if the dataset is not there.
pub fn lies_inside(source: &Path, target: &Path) -> Result<bool> {
    let source_full = fs::canonicalize(source).map_err(|error| Error::io(source, error))?;
    // The target's links are those of the part that exists.
    let target_full = std::path::absolute(target).map_err(|error| Error::io(target, error))?;
    let existing = target_full.ancestors().find_map(|part| Some((part, fs::canonicalize(part).ok()?)));
    let resolved = match existing {
        Some((part, real)) => target_full.strip_prefix(part).map_or(real.clone(), |rest| real.join(rest)),
        None => target_full,
    };
    Ok(resolved.starts_with(&source_full) && source_full.is_dir())
}
