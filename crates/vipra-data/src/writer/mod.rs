//! Writes LeRobot v3.0 datasets, so that a crash costs at most the episode being recorded.
//!
//! While recording, every finished episode lies in files of its own, which can be read as a dataset at any moment: an
//! episode counts from when its row of `meta/episodes` is in place, and that is written last. [`DatasetWriter::finish`] joins
//! the files up to LeRobot's sizes in a folder beside the dataset and swaps the two.
//!
//! Instructions are numbered as they come, and each episode's row holds its own, so that they are known without
//! `meta/tasks.parquet`; it is there for other programs. Of a recording with more than a thousand different ones it lags up to
//! a tenth behind until the recording is finished, since it can only be written whole.

mod columns;
mod episode;
mod episodes_table;
mod finish;
mod layout;
mod left_out;
mod place;

use std::fs::File;
use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

pub use episode::EpisodeWriter;
pub use finish::replace_folder;
pub(crate) use layout::sync_folder;
pub use layout::write_atomic;

use crate::error::{Error, Result};
use crate::feature::{DType, Feature, Features};
use crate::source::Skipped;
use crate::source::lerobot::Info;
use crate::stats::Collector;
use crate::video::VideoOptions;
use layout::EpisodeRecord;

/// The folder, inside of the dataset, that exists while it is being recorded.
const RECORDING: &str = ".recording";

/// The file, in that folder, that says what is being recorded.
const OPTIONS: &str = "options.json";

/// The file, in `meta` of a finished dataset, that says what it was recorded with.
const FINISHED: &str = "vipra.json";

/// The features that every LeRobot dataset has after its own.
pub const DEFAULT_FEATURES: [(&str, DType); 5] = [
    ("timestamp", DType::Float32),
    ("frame_index", DType::Int64),
    ("episode_index", DType::Int64),
    ("index", DType::Int64),
    ("task_index", DType::Int64),
];

/// What a new dataset is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriterOptions {
    /// The robot.
    pub robot_type: Option<String>,
    /// Frames a second.
    pub fps: u32,
    /// Cameras, states, actions, …; [`DEFAULT_FEATURES`] are added.
    pub features: Features,
    /// How videos are compressed.
    pub video: VideoOptions,
    /// A data file is closed when it would grow beyond this, in MiB (interfaces b.8).
    pub data_file_size_mb: u64,
    /// A video file is closed when it would grow beyond this, in MiB (interfaces b.8).
    pub video_file_size_mb: u64,
    /// What is being recorded, so that only the same thing is resumed: a fingerprint of a conversion's source.
    pub origin: Option<String>,
}

impl WriterOptions {
    /// A dataset with LeRobot's usual settings.
    pub fn new(fps: u32, features: Features) -> Self {
        WriterOptions {
            robot_type: None,
            fps,
            features,
            video: VideoOptions::default(),
            data_file_size_mb: 100,
            video_file_size_mb: 200,
            origin: None,
        }
    }
}

/// A dataset that is being written.
pub struct DatasetWriter {
    root: PathBuf,
    options: WriterOptions,
    info: Info,
    tasks: IndexSet<String>,
    /// How many of them are in `meta/tasks.parquet`.
    tasks_written: usize,
    episodes: Vec<EpisodeRecord>,
    left_out: Vec<Skipped>,
    /// Of all finished episodes.
    collector: Collector,
    /// Held as long as the recording goes on, so that no other process records into the same folder.
    _lock: File,
}

impl DatasetWriter {
    /// Begins a dataset in the folder `root`, which must not exist or be empty. What was begun there before and never
    /// got to a first episode is replaced.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is something already, another process records there, or the features make no sense;
    /// [`Error::Io`].
    pub fn create(root: &Path, options: WriterOptions) -> Result<Self> {
        if DatasetWriter::is_interrupted(root) {
            let hint = "a recording was interrupted here: resume it or remove the folder";
            return Err(Error::Invalid(format!("{hint}: {}", root.display())));
        }
        let root = place::resolve(root)?;
        place::check_usable(&root)?;
        let info = new_info(&options, &root)?;
        let lock = place::lock(&root)?;
        place::remove_leftovers(&root)?;
        let marker = serde_json::to_value(&options)
            .map_err(|error| Error::Invalid(format!("writing the options of a recording: {error}")))?;
        layout::write_json(&root.join(RECORDING).join(OPTIONS), &marker)?;
        DatasetWriter::begin(root, options, info, layout::Recorded::default(), lock)
    }

    /// Goes on with an interrupted recording of the same options; what of it was not finished is removed.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it was something else or another process records there; [`Error::Io`] if nothing was
    /// interrupted at `root`.
    pub fn resume(root: &Path, options: WriterOptions) -> Result<Self> {
        let root = place::resolve(root)?;
        let began = place::read_options(&root.join(RECORDING).join(OPTIONS))?;
        if began != options {
            let hint = "another recording was interrupted here (other features, settings or source): remove the folder or \
                        choose another";
            return Err(Error::Invalid(format!("{hint}: {}", root.display())));
        }
        let lock = place::lock(&root)?;
        let recorded = layout::read_recorded(&root)?;
        layout::remove_unfinished(&root, recorded.episodes.len())?;
        let mut info = new_info(&options, &root)?;
        layout::count(&mut info, &recorded.tasks, &recorded.episodes);
        DatasetWriter::begin(root, options, info, recorded, lock)
    }

    /// A writer that goes on behind what was recorded, with everything in place that a dataset without further episodes has.
    fn begin(
        root: PathBuf,
        options: WriterOptions,
        info: Info,
        recorded: layout::Recorded,
        lock: File,
    ) -> Result<Self> {
        let layout::Recorded { tasks, episodes, collector } = recorded;
        let left_out = left_out::read(&root.join(RECORDING))?;
        layout::create_folders(&root)?;
        layout::write_tasks(&root, &tasks)?;
        layout::write_info(&root, &info)?;
        let tasks_written = tasks.len();
        Ok(DatasetWriter { root, options, info, tasks, tasks_written, episodes, left_out, collector, _lock: lock })
    }

    /// Whether a recording was interrupted at `root` after its first episode.
    pub fn is_interrupted(root: &Path) -> bool {
        let committed = layout::episodes_path(root, layout::FileNumber(0));
        root.join(RECORDING).join(OPTIONS).is_file() && committed.is_file()
    }

    /// The options of the finished dataset at `root`, if this writer wrote it.
    pub fn finished_options(root: &Path) -> Option<WriterOptions> {
        let unfinished = root.join(RECORDING).exists();
        place::read_options(&root.join("meta").join(FINISHED)).ok().filter(|_| !unfinished)
    }

    /// What was left out of the finished dataset at `root`, in order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Metadata`].
    pub fn finished_left_out(root: &Path) -> Result<Vec<Skipped>> {
        left_out::read(&root.join("meta"))
    }

    /// Removes the recording that the finished dataset at `root` took the place of, in case the process died just then.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_replaced(root: &Path) -> Result<()> {
        layout::remove_folder(&finish::sibling(&place::resolve(root)?, finish::FINISHING))
    }

    /// Begins an episode. An [`EpisodeWriter`] that is dropped without being finished counts for nothing; its scratch files
    /// go when the next one begins.
    ///
    /// # Errors
    /// [`Error::Io`] if its scratch folder cannot be made.
    pub fn begin_episode(&mut self, task: &str) -> Result<EpisodeWriter<'_>> {
        EpisodeWriter::begin(self, task)
    }

    /// Episodes that are finished.
    pub fn episodes(&self) -> usize {
        self.episodes.len()
    }

    /// Notes what belongs into the dataset and cannot be in it. The list stays with the recording, also when it is resumed, and
    /// with the finished dataset.
    ///
    /// # Errors
    /// [`Error::Io`] if the list cannot be written.
    pub fn leave_out(&mut self, what: Skipped) -> Result<()> {
        self.left_out.push(what);
        left_out::write(&self.root.join(RECORDING), &self.left_out)
    }

    /// What was left out so far, in order.
    pub fn left_out(&self) -> &[Skipped] {
        &self.left_out
    }

    /// Completes the dataset. `splits` are named half-open ranges of episodes; without any, all of them are `train`.
    ///
    /// # Errors
    /// [`Error::Io`] and the like; the recording stays readable and can be resumed.
    pub fn finish(self, splits: &[(String, std::ops::Range<usize>)]) -> Result<()> {
        finish::finish(self, splits)
    }
}

fn new_info(options: &WriterOptions, root: &Path) -> Result<Info> {
    let mut features = options.features.clone();
    for (name, feature) in &mut features {
        if DEFAULT_FEATURES.iter().any(|(default, _)| default == name) {
            return Err(Error::Invalid(format!("feature `{name}` is added by the writer")));
        }
        if name.is_empty() || name.contains('/') || name.contains("..") {
            return Err(Error::Invalid(format!("feature name {name:?} cannot be part of a path")));
        }
        if name == "task" {
            return Err(Error::Invalid("feature `task` would be taken for the instructions of frames".into()));
        }
        match &feature.dtype {
            DType::Language => {
                return Err(Error::Invalid(format!("feature `{name}`: language annotations cannot be written")));
            }
            DType::Other(dtype) => {
                return Err(Error::Invalid(format!("feature `{name}`: values of type {dtype:?} cannot be written")));
            }
            _ => {}
        }
        if feature.dtype == DType::Video {
            let (width, height) = feature
                .picture_size()
                .ok_or_else(|| Error::Invalid(format!("feature `{name}`: a camera's shape is [height, width, 3]")))?;
            feature.info = Some(layout::video_facts(width, height, options));
        }
    }
    for (name, dtype) in DEFAULT_FEATURES {
        let feature = Feature { dtype, shape: vec![1], names: serde_json::Value::Null, fps: None, info: None };
        features.insert(name.to_owned(), feature);
    }
    if options.fps == 0 {
        return Err(Error::Invalid(format!("0 frames a second: {}", root.display())));
    }
    let mut info = Info::new(options.robot_type.clone(), options.fps, features);
    info.data_files_size_in_mb = Some(options.data_file_size_mb);
    info.video_files_size_in_mb = Some(options.video_file_size_mb);
    if !options.features.values().any(|feature| feature.dtype == DType::Video) {
        info.video_path = None;
    }
    Ok(info)
}
