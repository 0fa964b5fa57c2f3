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
mod commit;
mod episode;
mod episodes_table;
mod finish;
mod layout;
mod metadata;
mod place;
mod recover;
mod skipped;

use std::fs::File;
use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

pub use crate::files::{replace_folder, write_atomic};
pub use episode::EpisodeWriter;

use crate::error::{Error, Result};
use crate::feature::{DType, Features};
use crate::files;
use crate::source::Skipped;
use crate::source::lerobot::Info;
use crate::stats::Collector;
use crate::video::VideoOptions;
use commit::EpisodeRecord;
use recover::Recorded;

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
    skipped: Vec<Skipped>,
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
        let info = metadata::new_info(&options, &root)?;
        let lock = place::lock(&root)?;
        place::remove_leftovers(&root)?;
        let marker = serde_json::to_value(&options)
            .map_err(|error| Error::Invalid(format!("writing the options of a recording: {error}")))?;
        files::write_json(&root.join(RECORDING).join(OPTIONS), &marker)?;
        DatasetWriter::begin(root, options, info, Recorded::default(), lock)
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
        let recorded = recover::read_recorded(&root)?;
        recover::remove_unfinished(&root, recorded.episodes.len())?;
        let mut info = metadata::new_info(&options, &root)?;
        metadata::count(&mut info, &recorded.tasks, &recorded.episodes);
        DatasetWriter::begin(root, options, info, recorded, lock)
    }

    /// A writer that goes on behind what was recorded, with everything in place that a dataset without further episodes has.
    fn begin(root: PathBuf, options: WriterOptions, info: Info, recorded: Recorded, lock: File) -> Result<Self> {
        let Recorded { tasks, episodes, collector } = recorded;
        let skipped = skipped::read(&root.join(RECORDING))?;
        layout::create_folders(&root)?;
        metadata::write_tasks(&root, &tasks)?;
        metadata::write_info(&root, &info)?;
        let tasks_written = tasks.len();
        Ok(DatasetWriter { root, options, info, tasks, tasks_written, episodes, skipped, collector, _lock: lock })
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

    /// What was skipped when the finished dataset at `root` was written, in order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Metadata`].
    pub fn finished_skipped(root: &Path) -> Result<Vec<Skipped>> {
        skipped::read(&root.join("meta"))
    }

    /// Removes the recording that the finished dataset at `root` took the place of, in case the process died just then.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_replaced(root: &Path) -> Result<()> {
        files::remove_folder(&files::sibling(&place::resolve(root)?, finish::FINISHING))
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
    pub fn skip(&mut self, what: Skipped) -> Result<()> {
        self.skipped.push(what);
        skipped::write(&self.root.join(RECORDING), &self.skipped)
    }

    /// What was skipped so far, in order.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Completes the dataset. `splits` are named half-open ranges of episodes; without any, all of them are `train`.
    ///
    /// # Errors
    /// [`Error::Io`] and the like; the recording stays readable and can be resumed.
    pub fn finish(self, splits: &[(String, std::ops::Range<usize>)]) -> Result<()> {
        finish::finish(self, splits)
    }
}
