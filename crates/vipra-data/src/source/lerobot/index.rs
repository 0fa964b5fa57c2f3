//! Which rows of a data file belong to which episode, and whether they are what the metadata says.
//!
//! Rows are trusted over metadata: published converters have written wrong file numbers (interfaces b.7).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::columns;
use crate::error::{Error, Result};

/// The episodes of one data file.
pub(super) struct FileIndex {
    pub(super) path: PathBuf,
    episodes: BTreeMap<i64, EpisodeRows>,
}

struct EpisodeRows {
    range: Range<usize>,
    /// Every `task_index` of its rows once, in their order.
    tasks: Vec<i64>,
    fault: Option<Fault>,
}

/// What is wrong with the rows of an episode.
#[derive(Clone)]
enum Fault {
    Scattered,
    FrameIndex { row: usize, found: i64 },
    Timestamp { frame: usize, found_secs: f64, expected_secs: f64 },
}

impl FileIndex {
    /// Reads the columns that say whose rows they are, when, and of what task.
    pub(super) fn read(path: &Path, fps: f64, tolerance_secs: f64) -> Result<Self> {
        const NAMES: [&str; 4] = ["episode_index", "frame_index", "timestamp", "task_index"];
        let batch = columns::read(path, |name| NAMES.contains(&name), None)?;
        let episode_index = columns::integers(&batch, "episode_index", path)?;
        let frame_index = columns::integers(&batch, "frame_index", path)?;
        let timestamp = columns::floats(&batch, "timestamp", path)?;
        // Pictures are found without it; who reads the rows is told what is wrong with it.
        let task_index = columns::integers(&batch, "task_index", path).ok();

        let mut episodes: BTreeMap<i64, EpisodeRows> = BTreeMap::new();
        for (row, &episode) in episode_index.iter().enumerate() {
            let empty = EpisodeRows { range: row..row, tasks: Vec::new(), fault: None };
            let entry = episodes.entry(episode).or_insert(empty);
            if entry.fault.is_none() {
                entry.fault = fault(entry, row, frame_index[row], timestamp[row], fps, tolerance_secs);
            }
            entry.range.end = row + 1;
            if let Some(tasks) = &task_index
                && !entry.tasks.contains(&tasks[row])
            {
                entry.tasks.push(tasks[row]);
            }
        }
        Ok(FileIndex { path: path.to_path_buf(), episodes })
    }

    /// Whether the file has rows of the episode.
    pub(super) fn contains(&self, episode: usize) -> bool {
        self.episodes.contains_key(&(episode as i64))
    }

    /// Every `task_index` of the episode's rows once, in their order.
    pub(super) fn tasks_of(&self, episode: usize) -> &[i64] {
        self.episodes.get(&(episode as i64)).map_or(&[][..], |rows| rows.tasks.as_slice())
    }

    /// The rows of the episode, checked against its `length` in the metadata.
    pub(super) fn rows_of(&self, episode: usize, length: usize) -> Result<Range<usize>> {
        let found = self
            .episodes
            .get(&(episode as i64))
            .ok_or_else(|| Error::rows(&self.path, "the file has no rows of this episode"))?;
        if let Some(fault) = &found.fault {
            return Err(fault.to_error(&self.path));
        }
        if found.range.len() != length {
            let reason = format!("the metadata says {length} frames, the file has {}", found.range.len());
            return Err(Error::rows(&self.path, reason));
        }
        Ok(found.range.clone())
    }
}

fn fault(
    entry: &EpisodeRows,
    row: usize,
    frame_index: i64,
    timestamp: f64,
    fps: f64,
    tolerance_secs: f64,
) -> Option<Fault> {
    if row != entry.range.end {
        return Some(Fault::Scattered);
    }
    let frame = row - entry.range.start;
    if frame_index != frame as i64 {
        return Some(Fault::FrameIndex { row: frame, found: frame_index });
    }
    let expected_secs = frame as f64 / fps;
    // Timestamps are float32: their rounding grows with time.
    let allowed = tolerance_secs.max(expected_secs * 1e-6);
    let off = (timestamp - expected_secs).abs();
    (off > allowed || off.is_nan()).then_some(Fault::Timestamp { frame, found_secs: timestamp, expected_secs })
}

impl Fault {
    fn to_error(&self, path: &Path) -> Error {
        match *self {
            Fault::Scattered => Error::rows(path, "its rows are not next to each other"),
            Fault::FrameIndex { row, found } => {
                Error::rows(path, format!("frame_index is {found} in its row {row}, expected {row}"))
            }
            Fault::Timestamp { frame, found_secs, expected_secs } => {
                Error::Timestamp { frame, found_secs, expected_secs, path: path.to_path_buf() }
            }
        }
    }
}
