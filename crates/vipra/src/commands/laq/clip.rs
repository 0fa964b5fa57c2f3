//! A clip named on the command line: a video, or an episode of a dataset, from a time on.

use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Tensor;
use vipra_data::video::DecoderPool;
use vipra_data::{OnError, OpenOptions, Source};
use vipra_laq::Description;
use vipra_laq::frames::read_frames;

use crate::cli::TransferArgs;
use crate::commands::data::first_names;
use crate::output::tell_skipped;

/// Reads `frames` frames of the clip, as the model wants them; past the end the last one repeats.
///
/// # Shapes
/// → `[frames, 3, height, width]`
pub fn read_clip(text: &str, frames: usize, description: &Description, args: &TransferArgs) -> Result<Tensor<4>> {
    let (place, start_secs) = match text.rsplit_once('@').and_then(|(place, secs)| Some((place, secs.parse().ok()?))) {
        Some((place, secs)) => (place, secs),
        None => (text, 0.0),
    };
    let (source, at) = find_episode(place, args.fps)?;
    let camera = source.description().camera(args.camera.as_deref())?.to_owned();
    let episode = &source.episodes()[at];
    let length_secs = episode.length as f64 / episode.fps;
    anyhow::ensure!(
        (0.0..length_secs).contains(&start_secs),
        "the clip is to begin at {start_secs} s, and {} lasts {length_secs:.1} s: {text}",
        episode.name
    );
    let wanted: Vec<usize> = (0..frames)
        .map(|index| {
            let secs: f64 = start_secs + index as f64 * description.clip.interval_secs;
            ((secs * episode.fps).round() as usize).min(episode.length.saturating_sub(1))
        })
        .collect();
    let mut decoders = DecoderPool::new(1);
    Ok(read_frames(source.as_ref(), at, &camera, &wanted, description.image, &mut decoders)?)
}

/// The dataset and the position of the episode in it; a video is a dataset of one.
fn find_episode(place: &str, fps: Option<f64>) -> Result<(Box<dyn Source>, usize)> {
    let options = OpenOptions { fps, on_error: OnError::Skip, ..OpenOptions::default() };
    let path = Path::new(place);
    if path.is_file() {
        return Ok((vipra_data::open(path, &OpenOptions { on_error: OnError::Stop, ..options })?, 0));
    }
    let (dataset, name) =
        place.rsplit_once('#').with_context(|| format!("neither a video nor DATASET#EPISODE: {place}"))?;
    // Other episodes may be broken.
    let source = vipra_data::open(Path::new(dataset), &options)?;
    let at = source.episodes().iter().position(|episode| episode.name == name || episode.number.to_string() == name);
    if at.is_none() {
        // It may be one of these.
        tell_skipped(&source.description().skipped);
    }
    let at = at.with_context(|| {
        let (count, names) = (source.episodes().len(), first_names(source.as_ref()));
        format!("no episode {name} among the {count} ({names}): {place}")
    })?;
    Ok((source, at))
}
