//! Datasets behind one small trait.
//!
//! A new layout is one file in this folder and one variant of [`Layout`].

mod description;
mod files;
mod frame_folder;
mod layout;
pub mod lerobot;
mod read;
mod video_folder;

use std::path::{Path, PathBuf};

pub use description::{Description, Episode, Skipped};
pub(crate) use description::{episode_at, tasks_of};
pub use files::fingerprint;
pub(crate) use files::{has_extension, instruction_in, sorted_entries, visible_files};
pub use layout::Layout;
pub(crate) use read::readable_rows;
pub use read::{read_augmented_frames, read_frames};

use crate::config::OnError;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::rows::Rows;
use crate::video::DecoderPool;

/// The camera of layouts that have exactly one and no name for it.
pub const ONLY_CAMERA: &str = "observation.images.video";

/// How to open a dataset.
#[derive(Clone, Copy)]
pub struct OpenOptions<'a> {
    /// Frames a second of frame folders, which carry no rate; of videos the rate at which they are sampled in place of their own,
    /// in the file's own time, so that a video lasts as long as its file says.
    pub fps: Option<f64>,
    /// How far a frame of a LeRobot video may be from the time of its row, in seconds.
    pub tolerance_secs: f64,
    /// Whether a broken episode stops the opening or is skipped and listed.
    pub on_error: OnError,
    /// Called with (done, all) while many files are looked at.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for OpenOptions<'_> {
    fn default() -> Self {
        OpenOptions { fps: None, tolerance_secs: 1e-4, on_error: OnError::Stop, progress: &|_, _| {} }
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
