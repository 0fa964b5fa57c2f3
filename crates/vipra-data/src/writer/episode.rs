//! Records one episode.

use std::fs;
use std::path::{Path, PathBuf};

use indexmap::{IndexMap, IndexSet};

use super::commit::{self, EpisodeRecord, Finished};
use super::{DatasetWriter, RECORDING, columns, metadata};
use crate::error::{Error, InEpisode, Result};
use crate::feature::DType;
use crate::files;
use crate::frame::Frame;
use crate::picture;
use crate::rows::{Column, Rows, Values};
use crate::stats::Collector;
use crate::video::VideoEncoder;

/// An episode that is being recorded: pictures first, one by one, then all its rows.
pub struct EpisodeWriter<'a> {
    writer: &'a mut DatasetWriter,
    number: usize,
    scratch: PathBuf,
    task: String,
    cameras: IndexMap<String, Camera>,
    collector: Collector,
}

/// Where the pictures of a camera go.
enum Camera {
    Video {
        encoder: Box<VideoEncoder>,
        path: PathBuf,
    },
    /// A video that is taken over as it is; frames are only looked at.
    Copy {
        path: PathBuf,
        frames: usize,
    },
    Pictures(Vec<Vec<u8>>),
}

impl Camera {
    fn frames(&self) -> usize {
        match self {
            Camera::Video { encoder, .. } => encoder.frames(),
            Camera::Copy { frames, .. } => *frames,
            Camera::Pictures(pictures) => pictures.len(),
        }
    }
}

impl<'a> EpisodeWriter<'a> {
    pub(super) fn begin(writer: &'a mut DatasetWriter, task: &str) -> Result<Self> {
        let number = writer.episodes.len();
        let scratch = writer.root.join(RECORDING).join(format!("episode-{number:06}"));
        files::remove_folder(&scratch)?;
        fs::create_dir_all(&scratch).map_err(|error| Error::io(&scratch, error))?;
        let (cameras, collector) = Default::default();
        Ok(EpisodeWriter { writer, number, scratch, task: task.to_owned(), cameras, collector })
    }

    /// Appends the next picture of a camera.
    ///
    /// # Errors
    /// [`Error::NoSuch`] for an unknown camera, [`Error::Invalid`] for a picture of another size than declared,
    /// [`Error::Video`] if it cannot be encoded.
    pub fn push(&mut self, camera: &str, frame: &Frame) -> Result<()> {
        self.push_frame(camera, frame).in_episode(self.number)
    }

    fn push_frame(&mut self, camera: &str, frame: &Frame) -> Result<()> {
        let size = self.camera_size(camera)?;
        if size != (frame.width(), frame.height()) {
            let (found, said) = (format!("{}×{}", frame.width(), frame.height()), format!("{}×{}", size.0, size.1));
            return Err(Error::Invalid(format!("camera `{camera}`: a picture of {found} pixels, declared are {said}")));
        }
        if !self.cameras.contains_key(camera) {
            let sink = self.open(camera, size)?;
            self.cameras.insert(camera.to_owned(), sink);
        }
        match &mut self.cameras[camera] {
            Camera::Video { encoder, .. } => encoder.push(frame)?,
            Camera::Copy { frames, .. } => *frames += 1,
            Camera::Pictures(pictures) => pictures.push(picture::to_png(frame)?),
        }
        self.collector.add_picture(camera, frame);
        Ok(())
    }

    /// Takes over the video file at `path` instead of encoding. It must hold exactly this episode, in the codec of the
    /// dataset (see [`is_regular`](crate::video::is_regular)). Its frames are still to be pushed, for the statistics.
    ///
    /// # Errors
    /// [`Error::NoSuch`] for an unknown camera, [`Error::Io`] if the file cannot be copied.
    pub fn copy_video(&mut self, camera: &str, path: &Path) -> Result<()> {
        self.camera_size(camera).in_episode(self.number)?;
        let copy = self.scratch.join(format!("{camera}.mp4"));
        fs::copy(path, &copy).map_err(|error| Error::io(path, error)).in_episode(self.number)?;
        self.cameras.insert(camera.to_owned(), Camera::Copy { path: copy, frames: 0 });
        Ok(())
    }

    fn camera_size(&self, camera: &str) -> Result<(usize, usize)> {
        let features = &self.writer.options.features;
        features
            .get(camera)
            .filter(|feature| feature.dtype.is_camera())
            .and_then(|feature| feature.picture_size())
            .ok_or_else(|| Error::NoSuch {
                what: "camera",
                name: camera.to_owned(),
                known: features.iter().filter(|(_, f)| f.dtype.is_camera()).map(|(name, _)| name.clone()).collect(),
                path: self.writer.root.clone(),
            })
    }

    fn open(&self, camera: &str, (width, height): (usize, usize)) -> Result<Camera> {
        let options = &self.writer.options;
        if options.features[camera].dtype == DType::Image {
            return Ok(Camera::Pictures(Vec::new()));
        }
        let path = self.scratch.join(format!("{camera}.mp4"));
        let encoder = VideoEncoder::create(&path, width, height, options.fps, options.video)?;
        Ok(Camera::Video { encoder: Box::new(encoder), path })
    }

    /// Completes the episode with its rows: one column for every feature that is not a camera. A column of text called
    /// `task` gives each frame an instruction of its own. Columns of [`DEFAULT_FEATURES`](super::DEFAULT_FEATURES) are
    /// written anew.
    ///
    /// # Errors
    /// [`Error::Rows`] if cameras and rows differ in length, [`Error::Column`] for a missing or unknown feature,
    /// [`Error::NonFinite`], [`Error::Io`].
    pub fn finish(self, rows: &Rows) -> Result<()> {
        let number = self.number;
        self.finish_rows(rows).in_episode(number)
    }

    fn finish_rows(mut self, rows: &Rows) -> Result<()> {
        self.check(rows)?;
        let tasks = self.tasks(rows)?;
        let known = self.writer.tasks.len();
        for task in &tasks {
            if !self.writer.tasks.contains(task) {
                self.writer.tasks.insert(task.clone());
            }
        }
        let record = self.commit(rows, &tasks).inspect_err(|_| {
            self.writer.tasks.truncate(known);
            // Its new ones may have been written.
            self.writer.tasks_written = 0;
        })?;
        self.writer.collector.merge(self.collector);
        self.writer.episodes.push(record);
        metadata::count(&mut self.writer.info, &self.writer.tasks, &self.writer.episodes);
        metadata::write_info(&self.writer.root, &self.writer.info)?;
        files::remove_folder(&self.scratch)
    }

    /// Puts the files of the episode in place.
    fn commit(&mut self, rows: &Rows, tasks: &[String]) -> Result<EpisodeRecord> {
        let data = self.scratch.join("data.parquet");
        self.write_data(rows, tasks, &data)?;
        let videos = self.finish_videos()?;
        let record = EpisodeRecord {
            length: rows.length,
            tasks: tasks.iter().collect::<IndexSet<_>>().into_iter().cloned().collect(),
            stats: self.collector.finish(),
        };
        let finished = Finished {
            number: self.number,
            record: &record,
            histograms: self.collector.histograms(),
            data: &data,
            videos: &videos,
        };
        commit::commit(self.writer, &finished)?;
        Ok(record)
    }

    /// Completes the videos: camera and file.
    fn finish_videos(&mut self) -> Result<Vec<(String, PathBuf)>> {
        let mut videos = Vec::new();
        for (name, camera) in std::mem::take(&mut self.cameras) {
            match camera {
                Camera::Video { encoder, path } => {
                    encoder.finish()?;
                    videos.push((name, path));
                }
                Camera::Copy { path, .. } => videos.push((name, path)),
                Camera::Pictures(_) => {}
            }
        }
        Ok(videos)
    }

    fn check(&self, rows: &Rows) -> Result<()> {
        let root = &self.writer.root;
        if rows.length == 0 {
            return Err(Error::rows(root, "it has no frames"));
        }
        for (name, feature) in &self.writer.options.features {
            if feature.dtype.is_camera() {
                let found = self.cameras.get(name).map_or(0, Camera::frames);
                if found != rows.length {
                    let reason = format!("{found} pictures of camera `{name}` and {} rows", rows.length);
                    return Err(Error::rows(root, reason));
                }
            } else if !rows.columns.contains_key(name) {
                return Err(Error::column(root, name, "the episode has no such column"));
            }
        }
        for (name, column) in &rows.columns {
            let known = self.writer.info.features.contains_key(name) || name == "task";
            if !known {
                return Err(Error::column(root, name, "not a feature of this dataset"));
            }
            let bad = column.values.to_f64().and_then(|values| values.iter().position(|value| !value.is_finite()));
            if let (Some(at), Some(values)) = (bad, column.values.to_f64()) {
                let frame = at / column.width.max(1);
                let (feature, path) = (name.clone(), root.clone());
                return Err(Error::NonFinite { feature, frame, value: values[at], path });
            }
        }
        Ok(())
    }

    /// The instruction of every frame.
    fn tasks(&self, rows: &Rows) -> Result<Vec<String>> {
        match rows.columns.get("task") {
            None => Ok(vec![self.task.clone(); rows.length]),
            Some(Column { values: Values::Text(tasks), .. }) if tasks.len() == rows.length => Ok(tasks.clone()),
            Some(_) => Err(Error::column(&self.writer.root, "task", "expected one text a row")),
        }
    }

    fn write_data(&mut self, rows: &Rows, tasks: &[String], path: &Path) -> Result<()> {
        let first_index = self.writer.episodes.iter().map(|episode| episode.length).sum();
        let defaults = default_columns(self.number, first_index, self.writer.options.fps, tasks, &self.writer.tasks);
        let mut data = Vec::new();
        let mut numeric = Rows { length: rows.length, columns: IndexMap::new() };
        for (name, feature) in &self.writer.info.features {
            let array = match feature.dtype {
                DType::Video => continue,
                DType::Image => match self.cameras.get(name) {
                    Some(Camera::Pictures(pictures)) => columns::picture_column(pictures, path)?,
                    _ => return Err(Error::column(path, name, "the episode has no pictures of it")),
                },
                _ => {
                    let column = defaults.columns.get(name).unwrap_or_else(|| &rows.columns[name]);
                    let array = columns::feature_column(name, feature, &column.values, rows.length, path)?;
                    if feature.dtype.is_numeric() {
                        numeric.columns.insert(name.clone(), column.clone());
                    }
                    array
                }
            };
            data.push((name.clone(), array));
        }
        self.collector.add_rows(&numeric);
        columns::write(path, &[columns::batch(data, path)?])
    }
}

/// The five columns that every dataset has.
fn default_columns(
    episode: usize,
    first_index: usize,
    fps: u32,
    tasks: &[String],
    all_tasks: &IndexSet<String>,
) -> Rows {
    let length = tasks.len();
    let frames = 0..length as i64;
    let columns = [
        ("timestamp", Values::F32(frames.clone().map(|frame| (frame as f64 / f64::from(fps)) as f32).collect())),
        ("frame_index", Values::I64(frames.clone().collect())),
        ("episode_index", Values::I64(vec![episode as i64; length])),
        ("index", Values::I64(frames.map(|frame| frame + first_index as i64).collect())),
        (
            "task_index",
            Values::I64(tasks.iter().filter_map(|task| all_tasks.get_index_of(task)).map(|at| at as i64).collect()),
        ),
    ];
    let columns = columns.map(|(name, values)| (name.to_owned(), Column { width: 1, values }));
    Rows { length, columns: IndexMap::from(columns) }
}
