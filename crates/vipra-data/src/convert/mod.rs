//! Any dataset to LeRobot v3.0.

mod plan;

use std::collections::HashSet;
use std::path::Path;

pub use crate::files::lies_inside;

use crate::config::OnError;
use crate::error::{Error, InEpisode, Result};
use crate::source::{Description, Skipped, Source};
use crate::video::{VideoCodec, VideoDecoder, VideoOptions};
use crate::writer::{DatasetWriter, WriterOptions};
use plan::{Plan, episode_label};

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
    /// Whether an episode whose rows or frames cannot be read stops the conversion or is skipped and listed.
    pub on_error: OnError,
}

/// What a conversion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Episodes that are in the target.
    pub episodes: usize,
    /// Whether the target already was a complete conversion of the same source with the same options.
    pub was_complete: bool,
    /// Episodes that are not in the target because they cannot be read, now or in the conversions that this one goes on with.
    pub skipped: Vec<Skipped>,
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
        let skipped = DatasetWriter::finished_skipped(target)?;
        return Ok(Converted { episodes: chosen.len().saturating_sub(skipped.len()), was_complete: true, skipped });
    }
    let mut writer = match DatasetWriter::is_interrupted(target) {
        true => DatasetWriter::resume(target, writer_options)?,
        false => DatasetWriter::create(target, writer_options)?,
    };
    plan.copy(&chosen, &mut writer, progress)?;
    let skipped = writer.skipped().to_vec();
    if let (0, Some(first)) = (writer.episodes(), skipped.first()) {
        let reason = format!("none of the {} episodes can be read; {}", chosen.len(), first.reason);
        return Err(Error::Invalid(reason));
    }
    let not_copied: HashSet<&str> = skipped.iter().map(|skipped| skipped.what.as_str()).collect();
    let is_copied = |&at: &usize| !not_copied.contains(episode_label(&source.episodes()[at]).as_str());
    let copied: Vec<usize> = chosen.into_iter().filter(is_copied).collect();
    writer.finish(&kept_splits(description, source, &copied))?;
    Ok(Converted { episodes: copied.len(), was_complete: false, skipped })
}

/// A dataset that grows while it is read, by what is written, is neither source nor target.
fn check_outside(source: &Path, target: &Path) -> Result<()> {
    match lies_inside(source, target)? {
        true => Err(Error::Invalid(format!("the target lies inside of the source: {}", target.display()))),
        false => Ok(()),
    }
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
            // It is skipped when its turn comes.
            Err(_) if options.on_error == OnError::Skip => {}
            Err(error) => return Err(error).in_episode(source.episodes()[at].number),
        }
    }
    Ok(None)
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
