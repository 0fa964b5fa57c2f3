//! A clip named on the command line: a video, or an episode of a dataset, from a time on.

use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Tensor;
use vipra_data::video::DecoderPool;
use vipra_data::{OpenOptions, Source};
use vipra_laq::Description;
use vipra_laq::frames::read_frames;

use crate::commands::data::first_names;

/// Reads `frames` frames of the clip, as the model wants them; past the end the last one repeats.
///
/// # Shapes
/// → `[frames, 3, height, width]`
pub fn read_clip(text: &str, frames: usize, description: &Description) -> Result<Tensor<4>> {
    let (place, start_secs) = match text.rsplit_once('@').and_then(|(place, secs)| Some((place, secs.parse().ok()?))) {
        Some((place, secs)) => (place, secs),
        None => (text, 0.0),
    };
    let (source, at) = find_episode(place)?;
    let camera = source.description().camera(None)?.to_owned();
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

/// The dataset and the position of the episode in it. A video is an episode of the folder that it lies in.
fn find_episode(place: &str) -> Result<(Box<dyn Source>, usize)> {
    let open = |folder: &Path| vipra_data::open(folder, &OpenOptions::default());
    let path = Path::new(place);
    let (source, name) = match place.rsplit_once('#') {
        Some((dataset, episode)) if !path.exists() => (open(Path::new(dataset))?, episode.to_owned()),
        _ if path.is_file() => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (open(folder)?, name)
        }
        _ => anyhow::bail!("neither a video nor DATASET#EPISODE: {place}"),
    };
    let at = source.episodes().iter().position(|episode| episode.name == name || episode.number.to_string() == name);
    let at = at.with_context(|| {
        let (count, names) = (source.episodes().len(), first_names(source.as_ref()));
        format!("no episode {name} among the {count} ({names}): {place}")
    })?;
    Ok((source, at))
}
