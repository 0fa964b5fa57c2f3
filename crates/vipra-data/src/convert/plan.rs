//! How episodes become the new ones.

use std::path::PathBuf;

use super::ConvertOptions;
use crate::config::OnError;
use crate::error::{Error, InEpisode, Result};
use crate::feature::{DType, Feature, Features};
use crate::frame::Frame;
use crate::rows::{Column, Rows, Values};
use crate::source::{Episode, Layout, Skipped, Source};
use crate::video::{DecoderPool, VideoCodec, VideoDecoder, VideoOptions, is_regular};
use crate::writer::{DEFAULT_FEATURES, DatasetWriter};

/// Why an episode could not be copied.
enum CopyError {
    /// It cannot be read.
    Source(Error),
    /// The target cannot be written.
    Target(Error),
}

/// How episodes become the new ones.
pub(super) struct Plan<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) fps: u32,
    pub(super) options: &'a ConvertOptions,
    /// Of videos that are taken over as they are.
    pub(super) codec: Option<VideoCodec>,
}

impl Plan<'_> {
    /// What would fail at some episode, before anything is written.
    pub(super) fn check(&self, chosen: &[usize]) -> Result<()> {
        let description = self.source.description();
        if let Some((name, _)) = description.features.iter().find(|(_, feature)| feature.is_depth()) {
            return Err(Error::Invalid(format!("camera `{name}` holds distances, which cannot be written as RGB")));
        }
        for (name, feature) in description.features.iter().filter(|_| !self.options.without_actions) {
            if let DType::Other(dtype) = &feature.dtype {
                let root = description.root.display();
                tracing::warn!("feature `{name}` is left out, {dtype:?} is not a type that is known: {root}");
            }
        }
        let has_rows = description.features.values().any(|feature| feature.dtype.is_numeric());
        let other_rate = chosen.iter().map(|&at| &self.source.episodes()[at]).find(|e| e.fps != f64::from(self.fps));
        match other_rate.filter(|_| has_rows && !self.options.without_actions) {
            None => Ok(()),
            Some(episode) => {
                let hint = "rows cannot be resampled: keep the source's rate, or leave the actions out (--no-actions)";
                Err(Error::Invalid(format!("{} to {} frames a second: {hint}", episode.fps, self.fps)))
            }
        }
    }

    pub(super) fn video_options(&self) -> VideoOptions {
        let codec = self.codec.unwrap_or_default();
        self.options.video.unwrap_or(VideoOptions { codec, ..VideoOptions::default() })
    }

    pub(super) fn features(&self) -> Features {
        let is_default = |name: &str| DEFAULT_FEATURES.iter().any(|(default, _)| *default == name);
        let features = self.source.description().features.iter();
        features
            .filter(|(name, feature)| !is_default(name) && (feature.dtype.is_camera() || feature.dtype.has_rows()))
            .filter(|(_, feature)| !self.options.without_actions || feature.dtype.is_camera())
            .map(|(name, feature)| {
                let mut feature = feature.clone();
                if feature.dtype.is_camera() {
                    let dtype = if self.options.images { DType::Image } else { feature.dtype.clone() };
                    let (width, height) = feature.picture_size().unwrap_or_default();
                    // Pictures come as RGB, [height, width, 3], however the source stores them.
                    feature = Feature::camera(dtype, width, height);
                }
                (name.clone(), feature)
            })
            .collect()
    }

    /// Copies the chosen episodes that the target has not dealt with yet.
    pub(super) fn copy(
        &self,
        chosen: &[usize],
        writer: &mut DatasetWriter,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<()> {
        let mut decoders = DecoderPool::new(self.source.description().cameras().len());
        let dealt_with = writer.episodes() + writer.skipped().len();
        for (done, &at) in chosen.iter().enumerate().skip(dealt_with) {
            progress(done, chosen.len());
            match self.copy_episode(at, &mut decoders, writer) {
                Ok(()) => {}
                Err(CopyError::Source(error)) if self.options.on_error == OnError::Skip => {
                    let what = episode_label(&self.source.episodes()[at]);
                    writer.skip(Skipped { what, reason: error.to_string() })?;
                }
                Err(CopyError::Source(error) | CopyError::Target(error)) => return Err(error),
            }
        }
        progress(chosen.len(), chosen.len());
        Ok(())
    }

    /// Copies an episode whole or not at all.
    fn copy_episode(&self, at: usize, decoders: &mut DecoderPool, writer: &mut DatasetWriter) -> Result<(), CopyError> {
        let episode = &self.source.episodes()[at];
        let fps = f64::from(self.fps);
        let last_frame = (episode.last_frame_secs() * fps + 1e-6).floor();
        let times: Vec<f64> = (0..=last_frame as usize).map(|frame| frame as f64 / fps).collect();
        let rows = self.rows(at, times.len()).map_err(CopyError::Source)?;
        let mut recording =
            writer.begin_episode(episode.instruction().unwrap_or_default()).map_err(CopyError::Target)?;
        for camera in self.source.description().cameras() {
            let video = self.video_to_copy(at, camera).in_episode(episode.number).map_err(CopyError::Source)?;
            if let Some(path) = video {
                recording.copy_video(camera, &path).map_err(CopyError::Target)?;
            }
            let mut error_of: fn(Error) -> CopyError = CopyError::Source;
            let copied = self.source.frames(at, camera, &times, decoders, &mut |nth, frame| {
                self.check_size(at, camera, nth, frame)?;
                recording.push(camera, frame).inspect_err(|_| error_of = CopyError::Target)
            });
            copied.map_err(error_of)?;
        }
        recording.finish(&rows).map_err(CopyError::Target)
    }

    /// Refuses a picture of another size than the dataset's: an episode has one video, and all have one size.
    fn check_size(&self, at: usize, camera: &str, nth: usize, frame: &Frame) -> Result<()> {
        let description = self.source.description();
        let said = description.features.get(camera).and_then(|feature| feature.picture_size()).unwrap_or_default();
        let found = (frame.width(), frame.height());
        if found == said {
            return Ok(());
        }
        let episode = &self.source.episodes()[at];
        let reason = format!("frame {nth} has {}×{} pixels, the dataset {}×{}", found.0, found.1, said.0, said.1);
        let path = match (self.source.video(at, camera), description.layout) {
            (Some(video), _) => video.path,
            (None, Layout::FrameFolder) => description.root.join(&episode.name),
            (None, _) => description.root.clone(),
        };
        Err(Error::column(&path, camera, reason)).in_episode(episode.number)
    }

    /// A video that can be taken over without encoding it again: it holds exactly this episode, frame by frame.
    fn video_to_copy(&self, at: usize, camera: &str) -> Result<Option<PathBuf>> {
        let Some(codec) = self.codec else { return Ok(None) };
        let Some(video) = self.source.video(at, camera).filter(|video| video.whole_file) else { return Ok(None) };
        let episode = &self.source.episodes()[at];
        let decoder = VideoDecoder::open(&video.path)?;
        let info = decoder.info();
        let declared = self.source.description().features.get(camera).and_then(|feature| feature.picture_size());
        let fits = info.codec == codec.name()
            && info.pixel_format == "yuv420p"
            && declared == Some((info.width, info.height))
            && episode.fps == f64::from(self.fps)
            && is_regular(&video.path, episode.length, episode.fps)?;
        Ok(fits.then_some(video.path))
    }

    /// The rows to write: without the default columns, with each frame's instruction where the source has several.
    fn rows(&self, at: usize, frames: usize) -> Result<Rows> {
        let features = self.features();
        let stored = |name: &&str| *name == "task_index" || features.contains_key(*name);
        let mut wanted = self.source.description().row_features();
        wanted.retain(stored);
        if self.options.without_actions || wanted.is_empty() {
            return Ok(Rows { length: frames, ..Default::default() });
        }
        let mut rows = self.source.rows_of(at, &wanted)?;
        if let Some(Column { values: Values::I64(numbers), .. }) = rows.columns.get("task_index") {
            let text = |&number: &i64| self.source.task(number).map(str::to_owned);
            let texts = numbers.iter().map(text).collect::<Option<Vec<_>>>();
            let texts = texts.ok_or_else(|| {
                Error::Invalid(format!("episode {}: a task_index without a task", self.source.episodes()[at].number))
            })?;
            rows.columns.insert("task".into(), Column { width: 1, values: Values::Text(texts) });
        }
        rows.columns.retain(|name, _| !DEFAULT_FEATURES.iter().any(|(default, _)| default == name));
        Ok(rows)
    }
}

/// What an episode is called where it is skipped.
pub(super) fn episode_label(episode: &Episode) -> String {
    format!("episode {}", episode.name)
}
