//! Videos of the first episodes that succeed, and that fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vipra_data::Frame;
use vipra_sim::record::save_video;

use crate::outcome::Outcome;
use crate::{Error, Result};

/// The folder of videos in that of an evaluation.
pub const VIDEOS: &str = "videos";

pub(crate) struct Videos {
    folder: PathBuf,
    most: usize,
    fps: u32,
    /// Split and whether it succeeded → outcomes whose videos are there.
    taken: BTreeMap<(String, bool), usize>,
}

/// A video and the outcome that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// The file.
    pub path: PathBuf,
    /// Its split.
    pub split: String,
    /// Whether the episode succeeded at its last step.
    pub is_success: bool,
}

impl Videos {
    pub(crate) fn in_folder(folder: &Path, outcomes: &[Outcome], most: usize, rate_hz: f64) -> Result<Self> {
        let folder = folder.join(VIDEOS);
        let mut taken = BTreeMap::new();
        // A video is written before its outcome: one that a kill left without is offered again, and counts then.
        for outcome in outcomes.iter().filter(|outcome| folder.join(name(outcome)).is_file()) {
            *taken.entry((outcome.split.clone(), outcome.success_last)).or_default() += 1;
        }
        if most > 0 {
            std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        Ok(Self { folder, most, fps: (rate_hz.round() as u32).max(1), taken })
    }

    /// Removes the video of an episode that runs again: it may end otherwise.
    pub(crate) fn forget(&mut self, outcome: &Outcome) -> Result<()> {
        let video = self.folder.join(name(outcome));
        if !video.is_file() {
            return Ok(());
        }
        std::fs::remove_file(&video).map_err(Error::io(&video))?;
        let taken = self.taken.entry((outcome.split.clone(), outcome.success_last)).or_default();
        *taken = taken.saturating_sub(1);
        Ok(())
    }

    /// Writes the episode's video if it is one of the first of its kind.
    pub(crate) fn offer(&mut self, outcome: &Outcome, frames: &[Frame]) -> Result<()> {
        let taken = self.taken.entry((outcome.split.clone(), outcome.success_last)).or_default();
        if *taken >= self.most || frames.is_empty() {
            return Ok(());
        }
        *taken += 1;
        save_video(frames, self.fps, &self.folder.join(name(outcome)))?;
        Ok(())
    }
}

/// The file of an outcome's video.
pub fn name(outcome: &Outcome) -> String {
    let end = if outcome.success_last { "success" } else { "failure" };
    let Outcome { split, task, seed, episode, .. } = outcome;
    format!("{split}.{end}.{task}.{seed}.{episode}.gif")
}

/// The videos in the folder of an evaluation, by their names.
///
/// # Errors
/// [`Error::Io`] if the folder is there and cannot be read.
pub fn videos(folder: &Path) -> Result<Vec<Video>> {
    let folder = folder.join(VIDEOS);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
        let path = entry.map_err(Error::io(&folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut parts = name.split('.');
        if let (Some(split), Some(end @ ("success" | "failure"))) = (parts.next(), parts.next()) {
            found.push(Video { split: split.to_owned(), is_success: end == "success", path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
