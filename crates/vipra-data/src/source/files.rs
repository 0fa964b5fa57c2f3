//! Files and folders, as people see them.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::Source;
use crate::error::{Error, Result};

/// The entries of a folder, sorted as people do: `frame_2` before `frame_10`.
pub(crate) fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::io(folder, error))?;
    paths.sort_by(|a, b| natural_order(a, b));
    Ok(paths)
}

fn natural_order(a: &Path, b: &Path) -> std::cmp::Ordering {
    natord::compare(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b))
}

/// All files below a folder (or the file itself) that are not hidden, links followed, in natural order. Links that lead
/// nowhere are files here; opening them says what is wrong.
pub(crate) fn visible_files(root: &Path) -> Result<Vec<PathBuf>> {
    let hidden = |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(root).follow_links(true).into_iter().filter_entry(|entry| !hidden(entry)) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => match error.path() {
                Some(path) if path.is_symlink() => files.push(path.to_path_buf()),
                path => {
                    let path = path.unwrap_or(root).to_path_buf();
                    return Err(Error::io(path, error.into()));
                }
            },
        }
    }
    files.sort_by(|a, b| natural_order(a, b));
    Ok(files)
}

/// Whether a file has one of these extensions, in any case.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extensions.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The instruction beside an episode's files: `{name}.txt` next to a video, `instruction.txt` or
/// `task_description.txt` in a frame folder.
pub(crate) fn instruction_in(candidates: &[PathBuf]) -> Result<Vec<String>> {
    for path in candidates {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                // Some editors put a mark before the first letter, which nobody sees.
                let text = text.trim_start_matches('\u{feff}');
                return Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into).collect());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(path, error)),
        }
    }
    Ok(Vec::new())
}

/// A LeRobot dataset below a folder: its videos must not be taken for episodes.
pub(super) fn dataset_inside(path: &Path) -> Result<Option<PathBuf>> {
    let found = visible_files(path)?.into_iter().find(|file| file.ends_with("meta/info.json"));
    Ok(found.and_then(|file| file.ancestors().nth(2).map(Path::to_path_buf)))
}

/// A text that changes when the dataset does: names and sizes of all files, their first and last half MiB, and the frame rate if
/// the files do not say it: at another one frames and transitions are others.
///
/// # Errors
/// [`Error::Io`].
pub fn fingerprint(source: &dyn Source) -> Result<String> {
    const PART: u64 = 1 << 19;
    let root = &source.description().root;
    let mut hasher = blake3::Hasher::new();
    for path in visible_files(root)? {
        let fault = |error| Error::io(&path, error);
        let mut file = std::fs::File::open(&path).map_err(fault)?;
        let size = file.metadata().map_err(fault)?.len();
        let name = path.strip_prefix(root).unwrap_or(&path);
        hasher.update(name.to_string_lossy().as_bytes());
        hasher.update(&size.to_le_bytes());
        hasher.update_reader((&mut file).take(PART)).map_err(fault)?;
        file.seek(SeekFrom::Start(size.saturating_sub(PART).max(PART.min(size)))).map_err(fault)?;
        hasher.update_reader(&mut file).map_err(fault)?;
    }
    if let Some(fps) = source.description().given_fps {
        hasher.update(&fps.to_le_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}
