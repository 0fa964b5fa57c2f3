//! Frames of an episode at a model's size, and its rows as far as they go.

use super::Source;
use crate::error::{Error, Result};
use crate::picture::{Augmentation, ImageConfig, Resizer};
use crate::rows::Rows;
use crate::video::DecoderPool;

/// Of some features, those rows of an episode that can be read; and the features that cannot, each with what is wrong.
///
/// # Errors
/// What is wrong with the rows as a whole, such as their number.
pub(crate) fn readable_rows(
    source: &dyn Source,
    episode: usize,
    features: &[&str],
) -> Result<(Rows, Vec<(String, Error)>)> {
    if let Ok(rows) = source.rows_of(episode, features) {
        return Ok((rows, Vec::new()));
    }
    let mut rows = source.rows_of(episode, &[])?;
    let mut unreadable = Vec::new();
    for &feature in features {
        match source.rows_of(episode, &[feature]) {
            Ok(read) => rows.columns.extend(read.columns),
            Err(error) => unreadable.push((feature.to_owned(), error)),
        }
    }
    Ok((rows, unreadable))
}

/// Reads frames of an episode by their numbers, ascending, as a model sees them.
///
/// # Shapes
/// → `[frames, height, width, 3]`, RGB, 0..=255
///
/// # Errors
/// What is wrong with the episode's video.
pub fn read_frames(
    source: &dyn Source,
    episode: usize,
    camera: &str,
    frames: &[usize],
    image: ImageConfig,
    decoders: &mut DecoderPool,
) -> Result<Vec<u8>> {
    read_augmented_frames(source, episode, camera, frames, image, &Augmentation::NONE, decoders)
}

/// As [`read_frames`], with the same augmentation for all of them.
///
/// # Shapes
/// → `[frames, height, width, 3]`, RGB, 0..=255
///
/// # Errors
/// What is wrong with the episode's video.
pub fn read_augmented_frames(
    source: &dyn Source,
    episode: usize,
    camera: &str,
    frames: &[usize],
    image: ImageConfig,
    augmentation: &Augmentation,
    decoders: &mut DecoderPool,
) -> Result<Vec<u8>> {
    let fps = source.episodes()[episode].fps;
    let times: Vec<f64> = frames.iter().map(|frame| *frame as f64 / fps).collect();
    let size = 3 * image.width * image.height;
    let mut resizer = Resizer::new(image);
    let mut pixels = vec![0; frames.len() * size];
    source.frames(episode, camera, &times, decoders, &mut |nth, frame| {
        let target = &mut pixels[nth * size..(nth + 1) * size];
        resizer.resize(frame, augmentation.region, target)?;
        augmentation.recolor(target);
        Ok(())
    })?;
    Ok(pixels)
}
