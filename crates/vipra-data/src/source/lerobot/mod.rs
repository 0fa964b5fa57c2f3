//! LeRobot datasets, v2.1 and v3.0 (interfaces b).
//!
//! The versions differ in where things lie; [`v21`] and [`v30`] each turn their metadata into one [`Metadata`], and the rest
//! is common: [`index`] says which rows are whose, [`frames`] finds pictures, [`faults`] is what `check` asks for.

mod columns;
mod faults;
mod frames;
mod index;
mod info;
mod metadata;
mod template;
mod v21;
mod v30;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexSet;
use walkdir::WalkDir;

pub use info::Info;
pub use template::{Value, expand};

use super::{Description, Episode, Layout, OpenOptions, Source, SourceVideo, TakeFrame, episode_at};
use crate::error::{Error, InEpisode, Result};
use crate::feature::{DType, Feature};
use crate::rows::Rows;
use crate::video::DecoderPool;
use index::FileIndex;
use metadata::{EpisodeFiles, Metadata};

/// The versions that are read. Closed on purpose: a new one makes every `match` a compile error until it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A file an episode.
    V21,
    /// Many episodes a file.
    V30,
}

impl Version {
    /// Reads the version of the dataset at `root`.
    ///
    /// # Errors
    /// [`Error::UnsupportedVersion`], or what is wrong with `meta/info.json`.
    pub fn detect(root: &Path) -> Result<Self> {
        let path = root.join("meta/info.json");
        match Info::read_version(&path)?.as_str() {
            "v2.1" => Ok(Version::V21),
            "v3.0" => Ok(Version::V30),
            other => Err(Error::UnsupportedVersion { version: other.to_owned(), path }),
        }
    }

    fn layout(self) -> Layout {
        match self {
            Version::V21 => Layout::LerobotV21,
            Version::V30 => Layout::LerobotV30,
        }
    }
}

/// A dataset of either version.
pub struct LeRobot {
    description: Description,
    info: Info,
    episodes: Vec<Episode>,
    files: Vec<EpisodeFiles>,
    /// Instructions by the `task_index` of rows.
    tasks: BTreeMap<i64, String>,
    tolerance_secs: f64,
    /// Data files that were looked into.
    indices: Mutex<HashMap<PathBuf, Arc<FileIndex>>>,
    /// Episodes that are not where the metadata says.
    moved: Mutex<HashMap<usize, Arc<FileIndex>>>,
}

impl LeRobot {
    /// Reads the metadata; data and videos are opened when they are asked for, but for the data of episodes whose metadata
    /// leaves open which instruction is theirs.
    ///
    /// # Errors
    /// Everything that can be wrong with the metadata.
    pub fn open(root: &Path, version: Version, options: &OpenOptions<'_>) -> Result<Self> {
        let info_path = root.join("meta/info.json");
        let info = Info::read(&info_path)?;
        let mut metadata = match version {
            Version::V21 => v21::read(root, &info)?,
            Version::V30 => v30::read(root, &info)?,
        };
        metadata.check_sizes(&info_path)?;
        if let Some(pair) = metadata.episodes.windows(2).find(|pair| pair[0].number == pair[1].number) {
            return Err(Error::metadata(&info_path, "episodes", format!("{} is there twice", pair[0].number)));
        }
        let skipped = metadata.take_empty(&info_path, options.on_error)?;
        let Metadata { episodes, files, tasks } = metadata;
        let (splits, malformed_splits) = info.split_ranges();
        for (name, text) in &malformed_splits {
            tracing::warn!("not taken for a split: {}", malformed_split(root, name, text));
        }
        let description = Description {
            layout: version.layout(),
            unfinished: is_unfinished(root),
            given_fps: None,
            root: root.to_path_buf(),
            robot_type: info.robot_type.clone(),
            features: info.features.clone(),
            tasks: tasks.values().cloned().collect(),
            splits,
            malformed_splits,
            skipped,
        };
        let tolerance_secs = options.tolerance_secs;
        let mut dataset = LeRobot {
            description,
            info,
            episodes,
            files,
            tasks,
            tolerance_secs,
            indices: Mutex::default(),
            moved: Mutex::default(),
        };
        dataset.take_tasks_of_rows(options.progress);
        Ok(dataset)
    }

    /// Puts the tasks of the rows first (interfaces b.7) where the metadata names none, or several, whose order is a set's.
    fn take_tasks_of_rows(&mut self, progress: &(dyn Fn(usize, usize) + Sync)) {
        let open: Vec<usize> = (0..self.episodes.len()).filter(|&at| self.episodes[at].tasks.len() != 1).collect();
        for (done, &at) in open.iter().enumerate() {
            progress(done, open.len());
            let mut tasks: IndexSet<String> = self.tasks_of_rows(at).into_iter().collect();
            tasks.extend(std::mem::take(&mut self.episodes[at].tasks));
            self.episodes[at].tasks = tasks.into_iter().collect();
        }
    }

    /// The tasks of an episode's rows, in their order. Rows that cannot be read have none: who asks for them, or for frames, is
    /// told why.
    fn tasks_of_rows(&self, episode: usize) -> Vec<String> {
        // A file that is not there, as in a download in part, is not worth a search through all the others.
        let claimed = self.index(&self.files[episode].data);
        let Ok(index) = claimed.and_then(|_| self.index_of(episode)) else { return Vec::new() };
        let numbers = index.tasks_of(self.episodes[episode].number);
        numbers.iter().filter_map(|number| self.tasks.get(number).cloned()).collect()
    }

    /// The metadata as read.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The file that holds the rows of an episode, and which rows they are.
    fn find_rows(&self, episode: usize) -> Result<(Arc<FileIndex>, Range<usize>)> {
        let Episode { number, length, .. } = *episode_at(&self.episodes, episode, &self.description.root)?;
        let index = self.index_of(episode).in_episode(number)?;
        let rows = index.rows_of(number, length).in_episode(number)?;
        Ok((index, rows))
    }

    /// The data file that holds the episode: the one that the metadata says, or else another (interfaces b.7).
    fn index_of(&self, episode: usize) -> Result<Arc<FileIndex>> {
        let number = self.episodes[episode].number;
        let path = &self.files[episode].data;
        let claimed = self.index(path);
        if claimed.as_ref().is_ok_and(|index| index.contains(number)) {
            return claimed;
        }
        if let Some(found) = lock(&self.moved).get(&number) {
            return Ok(found.clone());
        }
        match self.search_rows(number) {
            Some(found) => {
                let (path, found_path) = (path.display(), found.path.display());
                tracing::warn!("episode {number} is not in {path} as the metadata says, but in {found_path}");
                lock(&self.moved).insert(number, found.clone());
                Ok(found)
            }
            None => Err(claimed.err().unwrap_or_else(|| Error::rows(path, "no data file has rows of this episode"))),
        }
    }

    fn index(&self, path: &Path) -> Result<Arc<FileIndex>> {
        if let Some(index) = lock(&self.indices).get(path) {
            return Ok(index.clone());
        }
        let index = Arc::new(FileIndex::read(path, self.info.fps, self.tolerance_secs)?);
        lock(&self.indices).insert(path.to_path_buf(), index.clone());
        Ok(index)
    }

    /// The columns of some features, in the order of the metadata, of some rows of a file.
    fn read_columns(&self, path: &Path, range: Range<usize>, features: &[&str]) -> Result<Rows> {
        let mut rows = Rows { length: range.len(), columns: Default::default() };
        if features.is_empty() {
            return Ok(rows);
        }
        let batch = columns::read(path, |name| features.contains(&name), Some(range))?;
        let wanted = |(name, _): &(&String, &Feature)| features.contains(&name.as_str());
        for (name, feature) in self.description.features.iter().filter(wanted) {
            let column = columns::flatten(columns::column(&batch, name, path)?, name, path)?;
            if column.width != feature.width() {
                let reason = format!("{} values a row, the metadata says {:?}", column.width, feature.shape);
                return Err(Error::column(path, name, reason));
            }
            faults::check_finite(&column.values, column.width, name, path)?;
            rows.columns.insert(name.clone(), column);
        }
        Ok(rows)
    }

    /// Looks through all data files for an episode that is not where the metadata says.
    fn search_rows(&self, number: usize) -> Option<Arc<FileIndex>> {
        WalkDir::new(self.description.root.join("data"))
            .follow_links(true)
            .sort_by_file_name()
            .into_iter()
            .filter_map(Result::ok)
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "parquet"))
            // Files that cannot be read are faults of their own episodes.
            .filter_map(|entry| self.index(entry.path()).ok())
            .find(|index| index.contains(number))
    }
}

impl Source for LeRobot {
    fn description(&self) -> &Description {
        &self.description
    }

    fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    fn frames(
        &self,
        episode: usize,
        camera: &str,
        times_secs: &[f64],
        decoders: &mut DecoderPool,
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        self.description.camera(Some(camera))?;
        let (index, rows) = self.find_rows(episode)?;
        let Episode { number, .. } = self.episodes[episode];
        self.check_times(&self.episodes[episode], times_secs).in_episode(number)?;
        match self.info.features[camera].dtype {
            DType::Video => self.video_frames(episode, camera, times_secs, decoders, take),
            _ => self.stored_frames(&index, rows, camera, times_secs, take),
        }
        .in_episode(number)
    }

    fn rows(&self, episode: usize) -> Result<Rows> {
        self.rows_of(episode, &self.description.row_features())
    }

    fn rows_of(&self, episode: usize, features: &[&str]) -> Result<Rows> {
        features.iter().try_for_each(|name| self.description.check_has_rows(name))?;
        let (index, range) = self.find_rows(episode)?;
        self.read_columns(&index.path, range, features).in_episode(self.episodes[episode].number)
    }

    fn task(&self, task_index: i64) -> Option<&str> {
        self.tasks.get(&task_index).map(String::as_str)
    }

    fn check_metadata(&self) -> Vec<Error> {
        self.metadata_faults()
    }

    fn check_episode(&self, episode: usize, rows: &Rows) -> Vec<Error> {
        self.row_faults(episode, rows)
    }

    fn video(&self, episode: usize, camera: &str) -> Option<SourceVideo> {
        let (_, path, _) = self.files.get(episode)?.videos.iter().find(|(name, ..)| name == camera)?;
        let whole_file = self.description.layout == Layout::LerobotV21;
        Some(SourceVideo { path: path.clone(), whole_file })
    }
}

/// The content of a lock. A panic while it is held cannot leave a half-made entry behind.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the dataset is being recorded, or its recording was interrupted.
fn is_unfinished(root: &Path) -> bool {
    root.join(".recording").is_dir()
}

/// What is wrong with a split that is no range.
pub(super) fn malformed_split(root: &Path, name: &str, text: &str) -> Error {
    let reason = format!("{text:?} is not like \"0:100\"");
    Error::metadata(&root.join("meta/info.json"), format!("splits.{name}"), reason)
}

/// All columns of a Parquet file.
pub(crate) fn read_parquet(path: &Path) -> Result<arrow::array::RecordBatch> {
    columns::read(path, |_| true, None)
}
