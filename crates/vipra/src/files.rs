//! Places to write to.

use std::path::Path;

use anyhow::{Context, Result};
use vipra_data::convert::lies_inside;

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

/// Refuses to write into a dataset: it would become another one by that, and pictures that are written there videos to learn from.
///
/// # Errors
/// If `target` lies in one of the datasets. Those that are not there are said by whoever opens them.
pub fn check_outside<'a>(datasets: impl IntoIterator<Item = &'a Path>, target: &Path, what: &str) -> Result<()> {
    let inside = datasets.into_iter().find(|dataset| lies_inside(dataset, target).unwrap_or(false));
    match inside {
        None => Ok(()),
        Some(dataset) => anyhow::bail!(
            "{what} would lie in the dataset {}, which would be another one then: name a place outside of it: {}",
            dataset.display(),
            target.display()
        ),
    }
}

/// Returns the last part of a path, as a name for what is made of it.
pub fn folder_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "dataset".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_into_a_dataset() {
        let folder = tempfile::tempdir().unwrap();
        let videos = folder.path().join("videos");
        std::fs::create_dir(&videos).unwrap();
        let check = |target: &str| check_outside([videos.as_path()], &folder.path().join(target), "the run folder");
        let refused = check("videos/runs/one").unwrap_err().to_string();
        assert!(refused.starts_with("the run folder would lie in the dataset "), "{refused}");
        check("runs/one").unwrap();
        check("videos-2").unwrap();
        check_outside([Path::new("nowhere")], Path::new("nowhere/runs"), "the run folder").unwrap();
    }
}
