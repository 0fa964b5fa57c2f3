//! Datasets behind one small trait.
//!
//! A new layout is one file in this folder and one variant of [`Layout`].

mod files;
mod frame_folder;
pub mod lerobot;
mod read;
mod video_folder;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use files::fingerprint;
pub(crate) use files::{has_extension, instruction_in, sorted_entries, visible_files};
pub(crate) use read::readable_rows;
pub use read::{read_augmented_frames, read_frames};

use crate::config::OnError;
use crate::error::{Error, Result};
use crate::feature::Features;
use crate::frame::Frame;
use crate::rows::Rows;
use crate::video::DecoderPool;

/// The camera of layouts that have exactly one and no name for it.
pub const ONLY_CAMERA: &str = "observation.images.video";

/// The layouts that can be read. Closed on purpose: a new one makes every `match` a compile error until it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// LeRobot v2.1: a file an episode.
    LerobotV21,
    /// LeRobot v3.0: many episodes a file.
    LerobotV30,
    /// A folder of video files, one an episode.
    VideoFolder,
    /// A folder of folders of pictures, one an episode.
    FrameFolder,
}

impl Layout {
    /// The name that people read.
    pub fn title(self) -> &'static str {
        match self {
            Layout::LerobotV21 => "LeRobot v2.1 dataset",
            Layout::LerobotV30 => "LeRobot v3.0 dataset",
            Layout::VideoFolder => "folder of videos",
            Layout::FrameFolder => "folder of frame folders",
        }
    }

    /// Recognises the layout of `path`.
    ///
    /// # Errors
    /// [`Error::UnknownLayout`], [`Error::UnsupportedVersion`], or that the folder cannot be read.
    pub fn detect(path: &Path) -> Result<Self> {
        if path.join("meta").is_dir() {
            return Ok(match lerobot::Version::detect(path)? {
                lerobot::Version::V21 => Layout::LerobotV21,
                lerobot::Version::V30 => Layout::LerobotV30,
            });
        }
        if let Some(inside) = files::dataset_inside(path)? {
            let reason = format!("not a dataset itself, but there is one inside of it ({})", inside.display());
            return Err(Error::UnknownLayout { reason, path: path.to_path_buf() });
        }
        if path.join("meta_data").is_dir() {
            return Err(Error::UnsupportedVersion { version: "v1".into(), path: path.join("meta_data") });
        }
        if video_folder::matches(path)? {
            return frame_folder::check_no_frames_beside_videos(path).map(|()| Layout::VideoFolder);
        }
        if frame_folder::matches(path)? {
            return Ok(Layout::FrameFolder);
        }
        let reason = format!(
            "neither a LeRobot dataset (meta/info.json) nor videos ({}) nor folders of pictures ({})",
            video_folder::EXTENSIONS.join(", "),
            frame_folder::EXTENSIONS.join(", "),
        );
        Err(Error::UnknownLayout { reason, path: path.to_path_buf() })
    }
}

/// How to open a dataset.
#[derive(Clone, Copy)]
pub struct OpenOptions<'a> {
    /// Frames a second of frame folders, which carry no rate; of videos the rate at which they are sampled in place of their own,
    /// in the file's own time, so that a video lasts as long as its file says.
    pub fps: Option<f64>,
    /// How far a frame of a LeRobot video may be from the time of its row, in seconds.
    pub tolerance_secs: f64,
    /// Whether a broken episode stops the opening or is left out and listed.
    pub on_error: OnError,
    /// Called with (done, all) while many files are looked at.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for OpenOptions<'_> {
    fn default() -> Self {
        OpenOptions { fps: None, tolerance_secs: 1e-4, on_error: OnError::Stop, progress: &|_, _| {} }
    }
}

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
    /// Instructions, in the order of their numbers; [`Source::task`] is the one of a number.
    pub tasks: Vec<String>,
    /// Named half-open ranges of episodes.
    pub splits: BTreeMap<String, Range<usize>>,
    /// Splits that are no ranges, and what stands there instead.
    pub malformed_splits: BTreeMap<String, String>,
    /// Episodes that were left out when opening, and why.
    pub skipped: Vec<Skipped>,
    /// Whether it is being recorded, or its recording was interrupted.
    pub unfinished: bool,
    /// The frame rate that it is read at, where that was said by whoever opened it.
    pub given_fps: Option<f64>,
}

/// Something that was left out, and why.
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

/// Receives the frame that answers the n-th time asked for.
pub type TakeFrame<'a> = dyn FnMut(usize, &Frame) -> Result<()> + 'a;

/// A dataset that is open for reading, shared by all threads.
pub trait Source: Send + Sync {
    /// What it is.
    fn description(&self) -> &Description;

    /// Its episodes. Positions in this list, not [`Episode::number`], are what the other functions take.
    fn episodes(&self) -> &[Episode];

    /// Hands the frames of `camera` nearest to `times_secs` (seconds after the episode's first frame, ascending) to
    /// `take`.
    ///
    /// # Errors
    /// Everything that can be wrong with the episode's files, with its number.
    fn frames(
        &self,
        episode: usize,
        camera: &str,
        times_secs: &[f64],
        decoders: &mut DecoderPool,
        take: &mut TakeFrame<'_>,
    ) -> Result<()>;

    /// The rows of an episode: states, actions, timestamps, whatever the dataset has beside pictures.
    ///
    /// # Errors
    /// Everything that can be wrong with the episode's rows, with its number.
    fn rows(&self, episode: usize) -> Result<Rows>;

    /// The rows of an episode, of some features alone: what is wrong with the columns of others does not matter. Of none of
    /// them, only their number is known and checked.
    ///
    /// # Errors
    /// [`Error::NoSuch`] if there is no such feature, [`Error::Column`] if its values are none of rows, such as pictures; what
    /// is wrong with these columns, with the episode's number.
    fn rows_of(&self, episode: usize, features: &[&str]) -> Result<Rows> {
        features.iter().try_for_each(|name| self.description().check_has_rows(name))?;
        let mut rows = self.rows(episode)?;
        rows.columns.retain(|name, _| features.contains(&name.as_str()));
        Ok(rows)
    }

    /// The instruction that a row's `task_index` stands for. Numbers may be left out.
    fn task(&self, task_index: i64) -> Option<&str> {
        let at = usize::try_from(task_index).ok()?;
        self.description().tasks.get(at).map(String::as_str)
    }

    /// Faults of the metadata that reading gets along with, such as wrong totals.
    fn check_metadata(&self) -> Vec<Error> {
        Vec::new()
    }

    /// Faults of an episode's rows that reading gets along with.
    fn check_episode(&self, _episode: usize, _rows: &Rows) -> Vec<Error> {
        Vec::new()
    }

    /// The video file that holds this camera's part of the episode, if there is one.
    fn video(&self, _episode: usize, _camera: &str) -> Option<SourceVideo> {
        None
    }
}

/// A video file with an episode in it.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceVideo {
    /// The file.
    pub path: PathBuf,
    /// Whether the file is meant to hold nothing else, so that it can be taken over as it is.
    pub whole_file: bool,
}

/// Opens the dataset at `path`, whatever its layout.
///
/// # Errors
/// Those of [`Layout::detect`], and whatever is wrong with the metadata.
pub fn open(path: &Path, options: &OpenOptions<'_>) -> Result<Box<dyn Source>> {
    std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    let layout = Layout::detect(path)?;
    if let (Some(fps), Layout::LerobotV21 | Layout::LerobotV30) = (options.fps, layout) {
        tracing::warn!("{fps} frames a second are not taken: a LeRobot dataset carries its rate: {}", path.display());
    }
    Ok(match layout {
        Layout::LerobotV21 => Box::new(lerobot::LeRobot::open(path, lerobot::Version::V21, options)?),
        Layout::LerobotV30 => Box::new(lerobot::LeRobot::open(path, lerobot::Version::V30, options)?),
        Layout::VideoFolder => Box::new(video_folder::VideoFolder::open(path, options)?),
        Layout::FrameFolder => Box::new(frame_folder::FrameFolder::open(path, options)?),
    })
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
    let all: indexmap::IndexSet<&String> = episodes.iter().flat_map(|episode| &episode.tasks).collect();
    all.into_iter().cloned().collect()
}
