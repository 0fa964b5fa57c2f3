//! Any dataset to LeRobot v3.0.

use std::path::Path;

use crate::error::{Error, Result};
use crate::feature::{DType, Features};
use crate::rows::{Column, Rows, Values};
use crate::source::{Description, Layout, Source};
use crate::video::{DecoderPool, VideoDecoder, VideoOptions};
use crate::writer::{DEFAULT_FEATURES, DatasetWriter, WriterOptions, video_facts};

/// How to convert.
#[derive(Clone, Debug, Default)]
pub struct ConvertOptions {
    /// Frames a second of the result; the source's by default.
    pub fps: Option<u32>,
    /// How videos are compressed. Videos of LeRobot v2.1 are taken over as they are.
    pub video: VideoOptions,
    /// Store pictures instead of videos.
    pub images: bool,
    /// Only the episodes of this split.
    pub split: Option<String>,
    /// Leave out everything but pictures and instructions.
    pub without_actions: bool,
}

/// Writes `source` as a LeRobot v3.0 dataset to `target`; goes on where an interrupted conversion of the same source
/// with the same options stopped. `progress` is called with (done, all) episodes.
///
/// # Errors
/// Everything that can be wrong with the source or the target.
pub fn convert(
    source: &dyn Source,
    target: &Path,
    options: &ConvertOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<usize> {
    let description = source.description();
    let chosen = description.split(options.split.as_deref(), source.episodes())?;
    let fps = rate(source, &chosen, options.fps)?;
    let mut writer_options = WriterOptions::new(fps, features(description, options));
    for (camera, feature) in &mut writer_options.features {
        feature.info = copied_facts(source, &chosen, camera, fps, options)?;
    }
    writer_options.robot_type = description.robot_type.clone();
    writer_options.video = options.video;
    writer_options.origin = Some(crate::source::fingerprint(source)?);

    let mut writer = match DatasetWriter::is_interrupted(target) {
        true => DatasetWriter::resume(target, writer_options)?,
        false => DatasetWriter::create(target, writer_options)?,
    };
    let mut decoders = DecoderPool::new(description.cameras().len());
    for (done, &episode) in chosen.iter().enumerate().skip(writer.episodes()) {
        progress(done, chosen.len());
        copy_episode(source, episode, fps, options, &mut decoders, &mut writer)?;
    }
    let splits = kept_splits(description, source, &chosen);
    writer.finish(&splits)?;
    Ok(chosen.len())
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
        _ => Err(Error::Invalid(format!(
            "the rates of the source ({} … {} frames a second) are not one whole number: choose one with --fps: {root}",
            rates[0],
            rates[rates.len() - 1]
        ))),
    }
}

fn features(description: &Description, options: &ConvertOptions) -> Features {
    let is_default = |name: &str| DEFAULT_FEATURES.iter().any(|(default, _)| *default == name);
    description
        .features
        .iter()
        .filter(|(name, feature)| !is_default(name) && feature.dtype != DType::Language)
        .filter(|(_, feature)| !options.without_actions || feature.dtype.is_camera())
        .map(|(name, feature)| {
            let mut feature = feature.clone();
            if feature.dtype.is_camera() {
                let dtype = if options.images { DType::Image } else { feature.dtype };
                let (width, height) = feature.picture_size().unwrap_or_default();
                // Pictures come as RGB, [height, width, 3], however the source stores them.
                feature = crate::feature::Feature::camera(dtype, width, height);
            }
            (name.clone(), feature)
        })
        .collect()
}

fn copy_episode(
    source: &dyn Source,
    at: usize,
    fps: u32,
    options: &ConvertOptions,
    decoders: &mut DecoderPool,
    writer: &mut DatasetWriter,
) -> Result<()> {
    let description = source.description();
    let episode = &source.episodes()[at];
    let same_rate = f64::from(fps) == episode.fps;
    if !same_rate && !options.without_actions && description.features.values().any(|f| f.dtype.is_numeric()) {
        let hint = "rows cannot be resampled: keep the source's rate or leave the actions out";
        return Err(Error::Invalid(format!("{} to {fps} frames a second: {hint}", episode.fps)));
    }
    let frames = ((episode.length as f64 / episode.fps) * f64::from(fps)).round().max(1.0) as usize;
    let times: Vec<f64> =
        (0..frames).map(|frame| (frame as f64 / f64::from(fps)).min(episode.last_frame_secs())).collect();

    let mut recording = writer.begin_episode(episode.instruction().unwrap_or_default())?;
    for camera in description.cameras() {
        if let Some(path) = video_to_copy(source, at, camera, same_rate, options) {
            recording.copy_video(camera, &path)?;
        }
        source.frames(at, camera, &times, decoders, &mut |_, frame| recording.push(camera, frame))?;
    }
    recording.finish(&rows(source, at, frames, options)?)
}

/// A video that can be taken over without encoding it again: one file an episode, at the same rate.
fn video_to_copy(
    source: &dyn Source,
    at: usize,
    camera: &str,
    same_rate: bool,
    options: &ConvertOptions,
) -> Option<std::path::PathBuf> {
    let description = source.description();
    let is_video = description.features.get(camera)?.dtype == DType::Video;
    let span = source.video_span(at, camera)?;
    let whole = description.layout == Layout::LerobotV21 && span.whole_file;
    (is_video && whole && same_rate && !options.images).then_some(span.path)
}

/// What is true of videos that are taken over, from the first of them.
fn copied_facts(
    source: &dyn Source,
    chosen: &[usize],
    camera: &str,
    fps: u32,
    options: &ConvertOptions,
) -> Result<Option<serde_json::Map<String, serde_json::Value>>> {
    let Some(&first) = chosen.first() else { return Ok(None) };
    let same_rate = source.episodes()[first].fps == f64::from(fps);
    match video_to_copy(source, first, camera, same_rate, options) {
        None => Ok(None),
        Some(path) => {
            let decoder = VideoDecoder::open(&path)?;
            let info = decoder.info();
            Ok(Some(video_facts(info.width, info.height, fps, &info.codec, &info.pixel_format)))
        }
    }
}

/// The rows to write: without the default columns, with each frame's instruction where the source has several.
fn rows(source: &dyn Source, at: usize, frames: usize, options: &ConvertOptions) -> Result<Rows> {
    let tasks = &source.description().tasks;
    let mut rows = Rows { length: frames, ..Default::default() };
    if options.without_actions {
        return Ok(rows);
    }
    let read = source.rows(at)?;
    if read.columns.is_empty() {
        return Ok(rows);
    }
    rows = read;
    if let Some(Column { values: Values::I64(numbers), .. }) = rows.columns.get("task_index") {
        let text = |&number: &i64| usize::try_from(number).ok().and_then(|number| tasks.get(number)).cloned();
        let texts = numbers.iter().map(text).collect::<Option<Vec<_>>>();
        let texts = texts.ok_or_else(|| {
            Error::Invalid(format!("episode {}: a task_index without a task", source.episodes()[at].number))
        })?;
        rows.columns.insert("task".into(), Column { width: 1, values: Values::Text(texts) });
    }
    rows.columns.retain(|name, _| !DEFAULT_FEATURES.iter().any(|(default, _)| default == name));
    Ok(rows)
}

/// The source's splits, renumbered; one split becomes `train` of its own when it was chosen.
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
