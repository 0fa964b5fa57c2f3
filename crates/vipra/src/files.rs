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
            "{what} would lie inside the dataset {} and change it: choose a place outside: {}",
            dataset.display(),
            target.display()
        ),
    }
}

/// Refuses a folder that is a dataset itself.
///
/// # Errors
/// If it is.
pub fn check_no_dataset(folder: &Path) -> Result<()> {
    let is_dataset = folder.join("meta/info.json").exists();
    anyhow::ensure!(!is_dataset, "a dataset lies here: name another folder to write to: {}", folder.display());
    Ok(())
}

/// Refuses a folder that holds a run, whose page and files would be written over.
///
/// # Errors
/// If it does.
pub fn check_no_run(folder: &Path) -> Result<()> {
    let is_run = ["config.toml", "stages", "policy.json"].iter().any(|name| folder.join(name).exists());
    anyhow::ensure!(!is_run, "a run or a policy lies here: name another folder to write to: {}", folder.display());
    check_no_dataset(folder)
}

/// Returns the last part of a path, as a name for what is made of it.
pub fn folder_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "dataset".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_dataset_a_run_or_a_policy_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            file.parent().unwrap().to_path_buf()
        };
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        check_no_run(&folder.path().join("empty")).unwrap();
        check_no_run(&folder.path().join("not there")).unwrap();
        let run = made("run/config.toml");
        check_no_dataset(&run).unwrap();
        assert!(check_no_run(&run).unwrap_err().to_string().contains("a run or a policy lies here"));
        check_no_run(&made("policy/policy.json")).unwrap_err();
        made("dataset/meta/info.json");
        let dataset = folder.path().join("dataset");
        assert!(check_no_dataset(&dataset).unwrap_err().to_string().contains("a dataset lies here"));
        check_no_run(&dataset).unwrap_err();
    }

    #[test]
    fn nothing_is_written_into_a_dataset() {
        let folder = tempfile::tempdir().unwrap();
        let videos = folder.path().join("videos");
        std::fs::create_dir(&videos).unwrap();
        let check = |target: &str| check_outside([videos.as_path()], &folder.path().join(target), "the run folder");
        let refused = check("videos/runs/one").unwrap_err().to_string();
        assert!(refused.starts_with("the run folder would lie inside the dataset "), "{refused}");
        check("runs/one").unwrap();
        check("videos-2").unwrap();
        check_outside([Path::new("nowhere")], Path::new("nowhere/runs"), "the run folder").unwrap();
    }
}
