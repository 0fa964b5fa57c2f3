//! Conversion of frames between bytes and tensors.

use burn::tensor::{Device, Tensor};
use vipra_data::Frame;
use vipra_data::picture::ImageConfig;
use vipra_data::source::{self, Source};
use vipra_data::video::DecoderPool;
use vipra_nn::pixels;

use crate::Result;

/// Reads frames of an episode by their numbers, which must ascend.
///
/// # Shapes
/// → `[frames, 3, height, width]` in [0, 1]
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
) -> Result<Tensor<4>> {
    let bytes = source::read_frames(source, episode, camera, frames, image, decoders)?;
    Ok(pixels::from_bytes(&bytes, [frames.len(), image.height, image.width], &Device::flex()))
}

/// Converts frames to pictures: clipped to [0, 1] and rounded to bytes.
///
/// # Shapes
/// `[frames, 3, height, width]`
pub fn to_pictures(frames: Tensor<4>) -> Vec<Frame> {
    let [_, _, height, width] = frames.dims();
    Frame::split_batch(width, height, &pixels::to_bytes(frames))
}
