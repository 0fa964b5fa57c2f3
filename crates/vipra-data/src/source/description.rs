//! What a dataset and its episodes are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use super::{Layout, lerobot};
use crate::error::{Error, Result};
use crate::feature::Features;

/// What a dataset is.
#[derive(Clone, Debug)]
pub struct Description {
    /// How it is stored.
    pub layout: Layout,
    /// Its folder.
    pub root: PathBuf,
    /// The robot, where the dataset says.
    pub robot_type: Option<String>,
    /// Cameras, states, actions, … in the order of the metadata.
    pub features: Features,
    /// Instructions, in the order of their numbers; [`Source::task`](super::Source::task) is the one of a number.
    pub tasks: Vec<String>,
    /// Named half-open ranges of episodes.
    pub splits: BTreeMap<String, Range<usize>>,
    /// Splits that are no ranges, and what stands there instead.
    pub malformed_splits: BTreeMap<String, String>,
    /// Episodes that were skipped when opening, and why.
    pub skipped: Vec<Skipped>,
    /// Whether it is being recorded, or its recording was interrupted.
    pub unfinished: bool,
    /// The frame rate that it is read at, where that was said by whoever opened it.
    pub given_fps: Option<f64>,
}

impl Description {
    /// Names of the cameras.
    pub fn cameras(&self) -> Vec<&str> {
        self.features.iter().filter(|(_, f)| f.dtype.is_camera()).map(|(name, _)| name.as_str()).collect()
    }

    /// Names of the features that rows hold: numbers and texts.
    pub fn row_features(&self) -> Vec<&str> {
        self.features.iter().filter(|(_, f)| f.dtype.has_rows()).map(|(name, _)| name.as_str()).collect()
    }

    /// Refuses a feature that rows do not hold.
    pub(crate) fn check_has_rows(&self, name: &str) -> Result<()> {
        let feature = self.features.get(name).ok_or_else(|| Error::NoSuch {
            what: "feature",
            name: name.to_owned(),
            known: self.row_features().into_iter().map(str::to_owned).collect(),
            path: self.root.clone(),
        })?;
        if feature.dtype.has_rows() {
            return Ok(());
        }
        let reason = format!("values of type {:?} are not read as rows", feature.dtype.as_str());
        Err(Error::column(&self.root, name, reason))
    }

    /// The camera called `name`, or the only one there is.
    ///
    /// # Errors
    /// [`Error::NoSuch`] if there is none of that name, or several and no name.
    pub fn camera(&self, name: Option<&str>) -> Result<&str> {
        let cameras = self.cameras();
        if name.is_none() && cameras.len() > 1 {
            let hint = format!(
                "several cameras ({}): choose one with --camera, or `camera` of the source",
                cameras.join(", ")
            );
            return Err(Error::Invalid(format!("{hint}: {}", self.root.display())));
        }
        match name {
            Some(name) => cameras.iter().find(|&&camera| camera == name).copied(),
            None if cameras.len() == 1 => Some(cameras[0]),
            None => None,
        }
        .ok_or_else(|| Error::NoSuch {
            what: "camera",
            name: name.unwrap_or_default().to_owned(),
            known: cameras.iter().map(|&camera| camera.to_owned()).collect(),
            path: self.root.clone(),
        })
    }

    /// Positions in `episodes` that belong to `split`, a name of the metadata or a half-open range of positions such as
    /// `0:100` (all of them without one).
    ///
    /// # Errors
    /// [`Error::NoSuch`] if there is no such split, [`Error::Metadata`] if it is no range.
    pub fn split(&self, split: Option<&str>, episodes: &[Episode]) -> Result<Vec<usize>> {
        let Some(name) = split else { return Ok((0..episodes.len()).collect()) };
        if let Some(range) = parse_range(name).filter(|_| !self.splits.contains_key(name)) {
            if range.start < range.end && range.end <= episodes.len() {
                return Ok(range.collect());
            }
            let reason = format!("split `{name}` is not a range of the {} episodes", episodes.len());
            return Err(Error::OutOfRange { reason, path: self.root.clone() });
        }
        if let Some(text) = self.malformed_splits.get(name) {
            return Err(lerobot::malformed_split(&self.root, name, text));
        }
        let range = self.splits.get(name).ok_or_else(|| Error::NoSuch {
            what: "split",
            name: name.to_owned(),
            known: self.splits.keys().cloned().collect(),
            path: self.root.clone(),
        })?;
        Ok((0..episodes.len()).filter(|&at| range.contains(&episodes[at].number)).collect())
    }
}

/// Something that was skipped, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Episode, file or clip.
    pub what: String,
    /// The error's message.
    pub reason: String,
}

/// One episode of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Its number in the dataset's own counting.
    pub number: usize,
    /// The name that people know it by: a number, a file, a folder.
    pub name: String,
    /// Frames.
    pub length: usize,
    /// Frames a second.
    pub fps: f64,
    /// Its instructions; the first is the one to use. Those of a LeRobot dataset's metadata, or of the rows, in their order,
    /// where the metadata names none or several.
    pub tasks: Vec<String>,
}

impl Episode {
    /// Time of the last frame after the first, in seconds.
    pub fn last_frame_secs(&self) -> f64 {
        self.length.saturating_sub(1) as f64 / self.fps
    }

    /// The times of all frames after the first, in seconds.
    pub fn frame_times(&self) -> Vec<f64> {
        (0..self.length).map(|frame| frame as f64 / self.fps).collect()
    }

    /// The instruction, if there is one. All frames have the same, that of the first, even where rows of a LeRobot dataset name
    /// another task midway; [`check`](crate::check::check) names such episodes.
    pub fn instruction(&self) -> Option<&str> {
        self.tasks.first().map(String::as_str)
    }
}

/// `first:end`, in numbers.
fn parse_range(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once(':')?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

/// The episode at position `at`, or an error that says how many there are.
pub(crate) fn episode_at<'a>(episodes: &'a [Episode], at: usize, root: &Path) -> Result<&'a Episode> {
    episodes.get(at).ok_or_else(|| Error::OutOfRange {
        reason: format!("episode at position {at} was asked for, there are {}", episodes.len()),
        path: root.to_path_buf(),
    })
}

/// All instructions of `episodes`, each once, in order of appearance.
pub(crate) fn tasks_of(episodes: &[Episode]) -> Vec<String> {
    let all: IndexSet<&String> = episodes.iter().flat_map(|episode| &episode.tasks).collect();
    all.into_iter().cloned().collect()
}
