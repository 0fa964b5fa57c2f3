//! LeRobot datasets, v2.1 and v3.0 (interfaces b).
//!
//! The versions differ in where things lie; [`v21`] and [`v30`] each turn their metadata into one [`Table`], and the rest
//! is common.

mod index;
mod info;
mod table;
mod template;
mod v21;
mod v30;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use walkdir::WalkDir;

pub use info::Info;
pub use template::{Value, expand};

use super::{Description, Episode, Layout, OpenOptions, Skipped, Source, TakeFrame, VideoSpan, episode_at};
use crate::config::OnError;
use crate::error::{Error, InEpisode, Result};
use crate::feature::{DType, Feature};
use crate::picture;
use crate::rows::{Rows, Values};
use crate::video::DecoderPool;
use index::FileIndex;

/// Says which version the dataset at `root` has.
pub(super) fn detect(root: &Path) -> Result<Layout> {
    let path = root.join("meta/info.json");
    match Info::read(&path)?.codebase_version.as_str() {
        "v2.1" => Ok(Layout::LerobotV21),
        "v3.0" => Ok(Layout::LerobotV30),
        other => Err(Error::UnsupportedVersion { version: other.to_owned(), path }),
    }
}

/// Where an episode lies.
struct Located {
    data: PathBuf,
    /// Camera, file, time of the first frame in the file.
    videos: Vec<(String, PathBuf, f64)>,
}

/// What the metadata of either version says.
struct Table {
    episodes: Vec<Episode>,
    located: Vec<Located>,
    tasks: Vec<String>,
}

impl Table {
    /// Removes the episodes without frames; the first of them is an error unless they are to be skipped.
    fn take_empty(&mut self, info_path: &Path, on_error: OnError) -> Result<Vec<Skipped>> {
        let mut skipped = Vec::new();
        for at in (0..self.episodes.len()).rev().filter(|&at| self.episodes[at].length == 0).collect::<Vec<_>>() {
            let error = Error::metadata(info_path, "length", "it has no frames");
            let number = self.episodes[at].number;
            if on_error == OnError::Stop {
                return Err(error).in_episode(number);
            }
            self.episodes.remove(at);
            self.located.remove(at);
            skipped.push(Skipped { what: format!("episode {number}"), reason: error.to_string() });
        }
        Ok(skipped)
    }
}

/// A dataset of either version.
pub struct LeRobot {
    description: Description,
    info: Info,
    episodes: Vec<Episode>,
    located: Vec<Located>,
    tolerance_secs: f64,
    /// Data files that were looked into.
    indices: Mutex<HashMap<PathBuf, Arc<FileIndex>>>,
}

impl LeRobot {
    /// Reads the metadata; data and videos are opened when they are asked for.
    ///
    /// # Errors
    /// Everything that can be wrong with the metadata.
    pub fn open(root: &Path, layout: Layout, options: &OpenOptions<'_>) -> Result<Self> {
        let info_path = root.join("meta/info.json");
        let info = Info::read(&info_path)?;
        let mut table = match layout {
            Layout::LerobotV21 => v21::read(root, &info)?,
            Layout::LerobotV30 => v30::read(root, &info)?,
            Layout::VideoFolder | Layout::FrameFolder => {
                return Err(Error::Invalid(format!("not a LeRobot dataset: {}", root.display())));
            }
        };
        if let Some(pair) = table.episodes.windows(2).find(|pair| pair[0].number == pair[1].number) {
            return Err(Error::metadata(&info_path, "episodes", format!("{} is there twice", pair[0].number)));
        }
        let skipped = table.take_empty(&info_path, options.on_error)?;
        let description = Description {
            layout,
            root: root.to_path_buf(),
            robot_type: info.robot_type.clone(),
            features: info.features.clone(),
            tasks: table.tasks,
            splits: info.split_ranges(&info_path)?,
            skipped,
        };
        let tolerance_secs = options.tolerance_secs;
        let (episodes, located) = (table.episodes, table.located);
        Ok(LeRobot { description, info, episodes, located, tolerance_secs, indices: Mutex::default() })
    }

    /// The metadata as read.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The file that holds the rows of an episode, and which rows they are.
    fn find_rows(&self, episode: usize) -> Result<(Arc<FileIndex>, Range<usize>)> {
        let Episode { number, length, .. } = *episode_at(&self.episodes, episode, &self.description.root)?;
        let claimed = self.index(&self.located[episode].data).in_episode(number)?;
        let index = if claimed.contains(number) {
            claimed
        } else {
            let found = self.search_rows(number).in_episode(number)?;
            let found = found
                .ok_or_else(|| Error::rows(&claimed.path, "no data file has rows of this episode"))
                .in_episode(number)?;
            let (claimed, found_path) = (claimed.path.display(), found.path.display());
            tracing::warn!("episode {number} is not in {claimed} as the metadata says, but in {found_path}");
            found
        };
        let rows = index.rows_of(number, length).in_episode(number)?;
        Ok((index, rows))
    }

    fn index(&self, path: &Path) -> Result<Arc<FileIndex>> {
        // A panic while the lock is held cannot leave a half-made index behind.
        let mut indices = self.indices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = indices.get(path) {
            return Ok(index.clone());
        }
        let index = Arc::new(FileIndex::read(path, self.info.fps, self.tolerance_secs)?);
        indices.insert(path.to_path_buf(), index.clone());
        Ok(index)
    }

    /// Looks through all data files for an episode that is not where the metadata says.
    fn search_rows(&self, number: usize) -> Result<Option<Arc<FileIndex>>> {
        let data = self.description.root.join("data");
        for entry in WalkDir::new(&data).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| Error::io(&data, error.into()))?;
            if entry.path().extension().is_some_and(|extension| extension == "parquet") {
                let index = self.index(entry.path())?;
                if index.contains(number) {
                    return Ok(Some(index));
                }
            }
        }
        Ok(None)
    }

    fn video_frames(
        &self,
        episode: usize,
        camera: &str,
        times_secs: &[f64],
        decoders: &mut DecoderPool,
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        let fps = self.info.fps;
        let Some((_, path, from_secs)) = self.located[episode].videos.iter().find(|(name, ..)| name == camera) else {
            return Err(Error::metadata(&self.description.root, camera, "the metadata names no video of it"));
        };
        // Frames are asked for by number: float32 times of rows would be off by more than the tolerance.
        let in_file: Vec<f64> = times_secs.iter().map(|secs| from_secs + (secs * fps).round() / fps).collect();
        let decoder = decoders.get(path)?;
        decoder
            .frames_at(&in_file, |nth, found_secs, frame| {
                let allowed = self.tolerance_secs.max(in_file[nth] * 1e-7);
                if (found_secs - in_file[nth]).abs() > allowed {
                    return Err(Error::FrameTime {
                        wanted_secs: in_file[nth],
                        nearest_secs: found_secs,
                        path: path.clone(),
                    });
                }
                take(nth, frame)
            })
            .inspect_err(|_| decoders.close(path))
    }

    fn stored_frames(
        &self,
        index: &FileIndex,
        rows: Range<usize>,
        camera: &str,
        times_secs: &[f64],
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        let frames: Vec<usize> = times_secs.iter().map(|secs| (secs * self.info.fps).round() as usize).collect();
        let (Some(&first), Some(&last)) = (frames.iter().min(), frames.iter().max()) else { return Ok(()) };
        let range = rows.start + first..rows.start + last + 1;
        let batch = table::read(&index.path, |name| name == camera, Some(range))?;
        let pictures = table::column(&batch, camera, &index.path)?;
        let fault = |reason: &str| Error::column(&index.path, camera, reason);
        let bytes = pictures
            .as_struct_opt()
            .and_then(|pictures| pictures.column_by_name("bytes"))
            .ok_or_else(|| fault("expected struct<bytes, path>"))?;
        let bytes = arrow::compute::cast(bytes, &DataType::LargeBinary)
            .map_err(|error| fault(&format!("expected bytes: {error}")))?;
        let bytes = bytes.as_binary::<i64>();
        for (nth, frame) in frames.iter().enumerate() {
            if bytes.is_null(frame - first) {
                return Err(fault("a picture is stored by path only, outside of the file"));
            }
            take(nth, &picture::decode_bytes(bytes.value(frame - first), &index.path)?)?;
        }
        Ok(())
    }

    fn check_times(&self, episode: &Episode, times_secs: &[f64]) -> Result<()> {
        let last = episode.last_frame_secs() + 0.5 / episode.fps;
        match times_secs.iter().find(|secs| !(-1e-9..last).contains(*secs)) {
            None => Ok(()),
            Some(secs) => Err(Error::OutOfRange {
                reason: format!("a frame at {secs} s was asked for, the last is at {} s", episode.last_frame_secs()),
                path: self.description.root.clone(),
            }),
        }
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
        let (index, range) = self.find_rows(episode)?;
        let Episode { number, length, .. } = self.episodes[episode];
        let kept = |feature: &Feature| !matches!(feature.dtype, DType::Video | DType::Image | DType::Language);
        let wanted = |name: &str| self.info.features.get(name).is_some_and(kept);
        let read = || -> Result<Rows> {
            let batch = table::read(&index.path, wanted, Some(range))?;
            let mut rows = Rows { length, columns: Default::default() };
            for (name, feature) in self.info.features.iter().filter(|(_, feature)| kept(feature)) {
                let column = table::flatten(table::column(&batch, name, &index.path)?, name, &index.path)?;
                if column.width != feature.width() {
                    let reason = format!("{} values a row, the metadata says {:?}", column.width, feature.shape);
                    return Err(Error::column(&index.path, name, reason));
                }
                check_finite(&column.values, column.width, name, &index.path)?;
                rows.columns.insert(name.clone(), column);
            }
            Ok(rows)
        };
        read().in_episode(number)
    }

    fn check_metadata(&self) -> Vec<Error> {
        let path = self.description.root.join("meta/info.json");
        let mut faults = Vec::new();
        let mut compare = |field: &str, said: u64, found: usize| {
            if said != found as u64 {
                faults.push(Error::metadata(&path, field, format!("says {said}, there are {found}")));
            }
        };
        compare("total_episodes", self.info.total_episodes, self.episodes.len());
        compare("total_frames", self.info.total_frames, self.episodes.iter().map(|episode| episode.length).sum());
        compare("total_tasks", self.info.total_tasks, self.description.tasks.len());
        let end = self.episodes.last().map_or(0, |episode| episode.number + 1);
        for (name, range) in self.description.splits.iter().filter(|(_, range)| range.end > end) {
            let reason = format!("ends at episode {}, there are {end}", range.end);
            faults.push(Error::metadata(&path, format!("splits.{name}"), reason));
        }
        faults
    }

    fn video_span(&self, episode: usize, camera: &str) -> Option<VideoSpan> {
        let (_, path, from_secs) = self.located.get(episode)?.videos.iter().find(|(name, ..)| name == camera)?;
        let whole_file = self.description.layout == Layout::LerobotV21;
        Some(VideoSpan { path: path.clone(), from_secs: *from_secs, whole_file })
    }
}

fn check_finite(values: &Values, width: usize, feature: &str, path: &Path) -> Result<()> {
    let bad = match values {
        Values::F32(values) => values.iter().position(|value| !value.is_finite()).map(|at| (at, f64::from(values[at]))),
        Values::F64(values) => values.iter().position(|value| !value.is_finite()).map(|at| (at, values[at])),
        Values::I64(_) | Values::Bool(_) | Values::Text(_) => None,
    };
    match bad {
        Some((at, value)) => {
            let frame = at / width.max(1);
            Err(Error::NonFinite { feature: feature.to_owned(), frame, value, path: path.to_path_buf() })
        }
        None => Ok(()),
    }
}

/// The features that are stored as videos.
fn video_features(info: &Info) -> impl Iterator<Item = (&str, &Feature)> {
    info.features.iter().filter(|(_, feature)| feature.dtype == DType::Video).map(|(name, f)| (name.as_str(), f))
}

fn video_template<'a>(info: &'a Info, root: &Path) -> Result<&'a str> {
    info.video_path.as_deref().ok_or_else(|| {
        Error::metadata(&root.join("meta/info.json"), "video_path", "missing, though there are video features")
    })
}

/// All columns of a Parquet file.
pub(crate) fn read_parquet(path: &Path) -> Result<arrow::array::RecordBatch> {
    table::read(path, |_| true, None)
}
