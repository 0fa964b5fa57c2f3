//! Datasets behind one small trait.
//!
//! A new layout is one file in this folder and one variant of [`Layout`].

mod frame_folder;
pub mod lerobot;
mod video_folder;

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
        if let Some(inside) = dataset_inside(path)? {
            let reason = format!("not a dataset itself, but there is one inside of it ({})", inside.display());
            return Err(Error::UnknownLayout { reason, path: path.to_path_buf() });
        }
        if path.join("meta_data").is_dir() {
            return Err(Error::UnsupportedVersion { version: "v1".into(), path: path.join("meta_data") });
        }
        if video_folder::matches(path)? {
            return Ok(Layout::VideoFolder);
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

/// A LeRobot dataset below a folder: its videos must not be taken for episodes.
fn dataset_inside(path: &Path) -> Result<Option<PathBuf>> {
    let found = visible_files(path)?.into_iter().find(|file| file.ends_with("meta/info.json"));
    Ok(found.and_then(|file| file.ancestors().nth(2).map(Path::to_path_buf)))
}

/// How to open a dataset.
#[derive(Clone, Copy)]
pub struct OpenOptions<'a> {
    /// Frames a second, for layouts that carry no rate (frame folders); overrides a video's own.
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
    /// Instructions; a row's `task_index` counts in them.
    pub tasks: Vec<String>,
    /// Named half-open ranges of episodes.
    pub splits: BTreeMap<String, Range<usize>>,
    /// Episodes that were left out when opening, and why.
    pub skipped: Vec<Skipped>,
    /// Whether it is being recorded, or its recording was interrupted.
    pub unfinished: bool,
}

/// Something that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// Its instructions; the first is the one to use.
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

    /// The instruction, if there is one.
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
    Ok(match Layout::detect(path)? {
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

    /// The camera called `name`, or the only one there is.
    ///
    /// # Errors
    /// [`Error::NoSuch`] if there is none of that name, or several and no name.
    pub fn camera(&self, name: Option<&str>) -> Result<&str> {
        let cameras = self.cameras();
        if name.is_none() && cameras.len() > 1 {
            let hint = format!("several cameras ({}): choose one", cameras.join(", "));
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

    /// Positions in `episodes` that belong to `split` (all of them without one).
    ///
    /// # Errors
    /// [`Error::NoSuch`] if there is no such split.
    pub fn split(&self, split: Option<&str>, episodes: &[Episode]) -> Result<Vec<usize>> {
        let Some(name) = split else { return Ok((0..episodes.len()).collect()) };
        let range = self.splits.get(name).ok_or_else(|| Error::NoSuch {
            what: "split",
            name: name.to_owned(),
            known: self.splits.keys().cloned().collect(),
            path: self.root.clone(),
        })?;
        Ok((0..episodes.len()).filter(|&at| range.contains(&episodes[at].number)).collect())
    }
}

/// The episode at position `at`, or an error that says how many there are.
pub(crate) fn episode_at<'a>(episodes: &'a [Episode], at: usize, root: &Path) -> Result<&'a Episode> {
    episodes.get(at).ok_or_else(|| Error::OutOfRange {
        reason: format!("episode at position {at} was asked for, there are {}", episodes.len()),
        path: root.to_path_buf(),
    })
}

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
                return Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into).collect());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(path, error)),
        }
    }
    Ok(Vec::new())
}

/// All instructions of `episodes`, each once, in order of appearance.
pub(crate) fn tasks_of(episodes: &[Episode]) -> Vec<String> {
    let all: indexmap::IndexSet<&String> = episodes.iter().flat_map(|episode| &episode.tasks).collect();
    all.into_iter().cloned().collect()
}

/// A text that changes when the dataset does: names and sizes of all files, and their first and last half MiB.
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
    Ok(hasher.finalize().to_hex().to_string())
}
