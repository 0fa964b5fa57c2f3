//! What the metadata of either version says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Info;
use crate::config::OnError;
use crate::error::{Error, InEpisode, Result};
use crate::feature::{DType, Feature};
use crate::source::{Episode, Skipped};

/// The files of an episode.
pub(super) struct EpisodeFiles {
    pub(super) data: PathBuf,
    /// Camera, file, time of the first frame in the file.
    pub(super) videos: Vec<(String, PathBuf, f64)>,
    /// The episode's first row in the whole dataset, where the metadata says.
    pub(super) first_index: Option<u64>,
    /// The tasks that the metadata names, in its order.
    pub(super) tasks: Vec<String>,
}

/// What the metadata of either version says.
pub(super) struct Metadata {
    pub(super) episodes: Vec<Episode>,
    pub(super) files: Vec<EpisodeFiles>,
    pub(super) tasks: BTreeMap<i64, String>,
}

/// More frames or episodes than this are a mistake of the metadata, and would overflow sums.
const MAX_COUNT: usize = u32::MAX as usize;

impl Metadata {
    pub(super) fn check_sizes(&self, info_path: &Path) -> Result<()> {
        match self.episodes.iter().find(|episode| episode.length > MAX_COUNT || episode.number > MAX_COUNT) {
            None => Ok(()),
            Some(episode) => {
                let reason = format!("{} frames in episode {}", episode.length, episode.number);
                Err(Error::metadata(info_path, "length", reason))
            }
        }
    }

    /// Removes the episodes without frames; the first of them is an error unless they are to be skipped.
    pub(super) fn take_empty(&mut self, info_path: &Path, on_error: OnError) -> Result<Vec<Skipped>> {
        let mut skipped = Vec::new();
        for at in (0..self.episodes.len()).rev().filter(|&at| self.episodes[at].length == 0).collect::<Vec<_>>() {
            let error = Error::metadata(info_path, "length", "it has no frames");
            let number = self.episodes[at].number;
            if on_error == OnError::Stop {
                return Err(error).in_episode(number);
            }
            self.episodes.remove(at);
            self.files.remove(at);
            skipped.push(Skipped { what: format!("episode {number}"), reason: error.to_string() });
        }
        Ok(skipped)
    }
}

/// Instructions by their number, which each has its own. Editing leaves gaps.
pub(super) fn tasks_by_number(tasks: Vec<(i64, String)>, path: &Path) -> Result<BTreeMap<i64, String>> {
    let mut by_number = BTreeMap::new();
    for (number, task) in tasks {
        if by_number.insert(number, task).is_some() {
            return Err(Error::metadata(path, "task_index", format!("{number} is there twice")));
        }
    }
    Ok(by_number)
}

/// The features that are stored as videos.
pub(super) fn video_features(info: &Info) -> impl Iterator<Item = (&str, &Feature)> {
    info.features.iter().filter(|(_, feature)| feature.dtype == DType::Video).map(|(name, f)| (name.as_str(), f))
}

pub(super) fn video_template<'a>(info: &'a Info, root: &Path) -> Result<&'a str> {
    info.video_path.as_deref().ok_or_else(|| {
        Error::metadata(&root.join("meta/info.json"), "video_path", "missing, though there are video features")
    })
}
