//! Frames of an episode at a model's size.

use super::Source;
use crate::error::Result;
use crate::picture::{Augmentation, ImageConfig, Resizer};
use crate::video::DecoderPool;

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
