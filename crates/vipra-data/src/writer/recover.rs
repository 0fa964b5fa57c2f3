//! What an interrupted recording left.

use std::fs;
use std::path::Path;

use indexmap::IndexSet;

use super::RECORDING;
use super::commit::{EpisodeRecord, histograms_path};
use super::layout::FileNumber;
use crate::error::{Error, Result};
use crate::files;
use crate::source::lerobot::{LeRobot, Version};
use crate::source::{OpenOptions, Source};
use crate::stats::{Collector, Histograms};

/// What an interrupted recording finished.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) tasks: IndexSet<String>,
    pub(super) episodes: Vec<EpisodeRecord>,
    pub(super) collector: Collector,
}

/// Reads back what an interrupted recording finished.
pub(super) fn read_recorded(root: &Path) -> Result<Recorded> {
    let source = LeRobot::open(root, Version::V30, &OpenOptions::default())?;
    // Those of its episodes: one of an episode that was not finished is not among them.
    let tasks = source.description().tasks.iter().cloned().collect();
    let mut recorded = Recorded { tasks, ..Recorded::default() };
    for (at, episode) in source.episodes().iter().enumerate() {
        let mut collector = Collector::default();
        collector.add_rows(&source.rows(at)?);
        collector.merge(Collector::from_histograms(read_histograms(root, episode.number)?));
        let (length, tasks) = (episode.length, episode.tasks.clone());
        recorded.episodes.push(EpisodeRecord { length, tasks, stats: collector.finish() });
        recorded.collector.merge(collector);
    }
    Ok(recorded)
}

fn read_histograms(root: &Path, number: usize) -> Result<Histograms> {
    let path = histograms_path(root, number);
    let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    serde_json::from_str(&text).map_err(|error| Error::json(&path, &error))
}

/// Removes files of an episode that was being put in place when the recording was interrupted.
pub(super) fn remove_unfinished(root: &Path, episodes: usize) -> Result<()> {
    let recording = root.join(RECORDING);
    for entry in crate::source::sorted_entries(&recording)? {
        if entry.is_dir() {
            files::remove_folder(&entry)?;
        }
    }
    let name = format!("file-{:03}", FileNumber(episodes).file());
    let chunk = format!("chunk-{:03}", FileNumber(episodes).chunk());
    for entry in walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok) {
        let path = entry.path();
        let is_next = path.file_stem().is_some_and(|stem| *stem == *name)
            && path.parent().and_then(Path::file_name).is_some_and(|folder| *folder == *chunk);
        if entry.file_type().is_file() && is_next {
            fs::remove_file(path).map_err(|error| Error::io(path, error))?;
        }
    }
    Ok(())
}
