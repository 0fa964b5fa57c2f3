//! Any dataset to LeRobot v3.0.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::config::OnError;
use crate::error::{Error, InEpisode, Result};
use crate::feature::{DType, Features};
use crate::frame::Frame;
use crate::rows::{Column, Rows, Values};
use crate::source::{Description, Episode, Layout, Skipped, Source};
use crate::video::{DecoderPool, VideoCodec, VideoDecoder, VideoOptions, is_regular};
use crate::writer::{DEFAULT_FEATURES, DatasetWriter, WriterOptions};

/// How to convert.
#[derive(Clone, Debug, Default)]
pub struct ConvertOptions {
    /// Frames a second of the result; the source's by default.
    pub fps: Option<u32>,
    /// How videos are compressed. Without it, videos of LeRobot v2.1 are taken over as they are where they are regular,
    /// and everything else is AV1.
    pub video: Option<VideoOptions>,
    /// Store pictures instead of videos.
    pub images: bool,
    /// Only the episodes of this split.
    pub split: Option<String>,
    /// Leave out everything but pictures and instructions.
    pub without_actions: bool,
    /// Whether an episode whose rows or frames cannot be read stops the conversion or is left out and listed.
    pub on_error: OnError,
}

/// What a conversion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Episodes that are in the target.
    pub episodes: usize,
    /// Whether the target already was a complete conversion of the same source with the same options.
    pub already: bool,
    /// Episodes that are not in the target because they cannot be read, now or in the conversions that this one goes on with.
    pub left_out: Vec<Skipped>,
}

/// Writes `source` as a LeRobot v3.0 dataset to `target`; goes on where an interrupted conversion of the same source
/// with the same options stopped. `progress` is called with (done, all) episodes.
///
/// # Errors
/// Everything that can be wrong with the source or the target; [`Error::Invalid`] if no episode is left.
pub fn convert(
    source: &dyn Source,
    target: &Path,
    options: &ConvertOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Converted> {
    let description = source.description();
    check_outside(&description.root, target)?;
    let chosen = description.split(options.split.as_deref(), source.episodes())?;
    let fps = rate(source, &chosen, options.fps)?;
    let plan = Plan { source, fps, options, codec: copied_codec(source, &chosen, options)? };
    plan.check(&chosen)?;

    let mut writer_options = WriterOptions::new(fps, plan.features());
    writer_options.robot_type = description.robot_type.clone();
    writer_options.video = plan.video_options();
    writer_options.origin = Some(origin(source, options)?);
    if DatasetWriter::finished_options(target).is_some_and(|finished| finished == writer_options) {
        DatasetWriter::remove_replaced(target)?;
        let left_out = DatasetWriter::finished_left_out(target)?;
        return Ok(Converted { episodes: chosen.len().saturating_sub(left_out.len()), already: true, left_out });
    }
    let mut writer = match DatasetWriter::is_interrupted(target) {
        true => DatasetWriter::resume(target, writer_options)?,
        false => DatasetWriter::create(target, writer_options)?,
    };
    plan.copy(&chosen, &mut writer, progress)?;
    let left_out = writer.left_out().to_vec();
    if let (0, Some(first)) = (writer.episodes(), left_out.first()) {
        let reason = format!("none of the {} episodes can be read; {}", chosen.len(), first.reason);
        return Err(Error::Invalid(reason));
    }
    let not_copied: HashSet<&str> = left_out.iter().map(|left_out| left_out.what.as_str()).collect();
    let is_copied = |&at: &usize| !not_copied.contains(called(&source.episodes()[at]).as_str());
    let copied: Vec<usize> = chosen.into_iter().filter(is_copied).collect();
    writer.finish(&kept_splits(description, source, &copied))?;
    Ok(Converted { episodes: copied.len(), already: false, left_out })
}

/// What an episode is called where it is left out.
fn called(episode: &Episode) -> String {
    format!("episode {}", episode.name)
}

/// A dataset that grows while it is read, by what is written, is neither source nor target.
fn check_outside(source: &Path, target: &Path) -> Result<()> {
    match lies_inside(source, target)? {
        true => Err(Error::Invalid(format!("the target lies inside of the source: {}", target.display()))),
        false => Ok(()),
    }
}

/// Whether a file or folder, which need not be there yet, lies in the folder of a dataset.
///
/// # Errors
/// [`Error::Io`] if the dataset is not there.
pub fn lies_inside(source: &Path, target: &Path) -> Result<bool> {
    let full = |path: &Path| std::path::absolute(path).map_err(|error| Error::io(path, error));
    let source_full = std::fs::canonicalize(source).map_err(|error| Error::io(source, error))?;
    // The target's links are those of the part that exists.
    let target_full = full(target)?;
    let existing = target_full.ancestors().find_map(|part| Some((part, std::fs::canonicalize(part).ok()?)));
    let resolved = match existing {
        Some((part, real)) => target_full.strip_prefix(part).map_or(real.clone(), |rest| real.join(rest)),
        None => target_full,
    };
    Ok(resolved.starts_with(&source_full) && source_full.is_dir())
}

/// What is converted and how, as far as the writer's options do not say it.
fn origin(source: &dyn Source, options: &ConvertOptions) -> Result<String> {
    let fingerprint = crate::source::fingerprint(source)?;
    let split = options.split.as_deref().unwrap_or("all episodes");
    let copied = if options.video.is_none() { "videos taken over where possible" } else { "videos encoded" };
    Ok(format!("{fingerprint}, {split}, {copied}"))
}

/// The rate that all episodes share, or the one that was asked for.
fn rate(source: &dyn Source, chosen: &[usize], wanted: Option<u32>) -> Result<u32> {
    if let Some(fps) = wanted {
        return Ok(fps);
    }
    let mut rates: Vec<f64> = chosen.iter().map(|&at| source.episodes()[at].fps).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    let root = source.description().root.display();
    match rates[..] {
        [] => Err(Error::Invalid(format!("there are no episodes to convert: {root}"))),
        [fps] if fps.fract() == 0.0 => Ok(fps as u32),
        [fps] => {
            let (shown, whole) = (format!("{fps:.3}"), fps.round().max(1.0));
            Err(Error::Invalid(format!(
                "{shown} frames a second is no whole number: choose one, such as --fps {whole}: {root}"
            )))
        }
        [first, .., last] => Err(Error::Invalid(format!(
            "episodes have different rates, from {first:.3} to {last:.3} frames a second: choose one with --fps: {root}"
        ))),
    }
}

/// The codec of the videos that are taken over, if any are. All episodes of a camera must have one codec, so those that
/// cannot be taken over are encoded with it.
fn copied_codec(source: &dyn Source, chosen: &[usize], options: &ConvertOptions) -> Result<Option<VideoCodec>> {
    if options.video.is_some() || options.images {
        return Ok(None);
    }
    let cameras = source.description().cameras();
    for &at in chosen {
        let mut videos = cameras.iter().filter_map(|camera| source.video(at, camera));
        let Some(video) = videos.find(|video| video.whole_file) else { return Ok(None) };
        match VideoDecoder::open(&video.path) {
            Ok(decoder) => return Ok(VideoCodec::from_name(&decoder.info().codec)),
            // It is left out when its turn comes.
            Err(_) if options.on_error == OnError::Skip => {}
            Err(error) => return Err(error).in_episode(source.episodes()[at].number),
        }
    }
    Ok(None)
}

/// Why an episode is not in the target.
enum Fault {
    /// It cannot be read.
    Episode(Error),
    /// The target cannot be written.
    Target(Error),
}

/// How episodes become the new ones.
struct Plan<'a> {
    source: &'a dyn Source,
    fps: u32,
    options: &'a ConvertOptions,
    codec: Option<VideoCodec>,
}

impl Plan<'_> {
    /// What would fail at some episode, before anything is written.
    fn check(&self, chosen: &[usize]) -> Result<()> {
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

    fn video_options(&self) -> VideoOptions {
        let codec = self.codec.unwrap_or_default();
        self.options.video.unwrap_or(VideoOptions { codec, ..VideoOptions::default() })
    }

    fn features(&self) -> Features {
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
                    feature = crate::feature::Feature::camera(dtype, width, height);
                }
                (name.clone(), feature)
            })
            .collect()
    }

    /// Copies the chosen episodes that the target has not dealt with yet.
    fn copy(
        &self,
        chosen: &[usize],
        writer: &mut DatasetWriter,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<()> {
        let mut decoders = DecoderPool::new(self.source.description().cameras().len());
        let dealt_with = writer.episodes() + writer.left_out().len();
        for (done, &at) in chosen.iter().enumerate().skip(dealt_with) {
            progress(done, chosen.len());
            match self.copy_episode(at, &mut decoders, writer) {
                Ok(()) => {}
                Err(Fault::Episode(error)) if self.options.on_error == OnError::Skip => {
                    let what = called(&self.source.episodes()[at]);
                    writer.leave_out(Skipped { what, reason: error.to_string() })?;
                }
                Err(Fault::Episode(error) | Fault::Target(error)) => return Err(error),
            }
        }
        progress(chosen.len(), chosen.len());
        Ok(())
    }

    /// Copies an episode whole or not at all.
    fn copy_episode(&self, at: usize, decoders: &mut DecoderPool, writer: &mut DatasetWriter) -> Result<(), Fault> {
        let episode = &self.source.episodes()[at];
        let fps = f64::from(self.fps);
        let last_frame = (episode.last_frame_secs() * fps + 1e-6).floor();
        let times: Vec<f64> = (0..=last_frame as usize).map(|frame| frame as f64 / fps).collect();
        let rows = self.rows(at, times.len()).map_err(Fault::Episode)?;
        let mut recording = writer.begin_episode(episode.instruction().unwrap_or_default()).map_err(Fault::Target)?;
        for camera in self.source.description().cameras() {
            let video = self.video_to_copy(at, camera).in_episode(episode.number).map_err(Fault::Episode)?;
            if let Some(path) = video {
                recording.copy_video(camera, &path).map_err(Fault::Target)?;
            }
            let mut fault: fn(Error) -> Fault = Fault::Episode;
            let copied = self.source.frames(at, camera, &times, decoders, &mut |nth, frame| {
                self.check_size(at, camera, nth, frame)?;
                recording.push(camera, frame).inspect_err(|_| fault = Fault::Target)
            });
            copied.map_err(fault)?;
        }
        recording.finish(&rows).map_err(Fault::Target)
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

/// The source's splits, renumbered; those of which nothing was chosen are left out.
fn kept_splits(
    description: &Description,
    source: &dyn Source,
    chosen: &[usize],
) -> Vec<(String, std::ops::Range<usize>)> {
    let position = |number: usize| chosen.iter().filter(|&&at| source.episodes()[at].number < number).count();
    description
        .splits
        .iter()
        .map(|(name, range)| (name.clone(), position(range.start)..position(range.end)))
        .filter(|(_, range)| !range.is_empty())
        .collect()
}
