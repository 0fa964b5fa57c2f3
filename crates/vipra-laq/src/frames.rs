//! Frames between bytes and tensors.

use burn::tensor::{Device, Tensor, TensorData};
use vipra_data::Frame;
use vipra_data::picture::{ImageConfig, Region, Resizer};
use vipra_data::source::Source;
use vipra_data::video::DecoderPool;

use crate::Result;

/// Reads frames of an episode by their numbers, ascending.
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
    let ImageConfig { width, height, .. } = image;
    let fps = source.episodes()[episode].fps;
    let times: Vec<f64> = frames.iter().map(|frame| *frame as f64 / fps).collect();
    let mut values = Vec::with_capacity(frames.len() * 3 * width * height);
    let mut resizer = Resizer::new(image);
    let mut pixels = vec![0; 3 * width * height];
    source.frames(episode, camera, &times, decoders, &mut |_, frame| {
        resizer.resize(frame, Region::WHOLE, &mut pixels)?;
        push_planes(&pixels, &mut values);
        Ok(())
    })?;
    Ok(Tensor::from_data(TensorData::new(values, [frames.len(), 3, height, width]), &Device::flex()))
}

/// `[height, width, 3]` in 0..=255 → `[3, height, width]` in [0, 1], appended.
pub(crate) fn push_planes(frame: &[u8], values: &mut Vec<f32>) {
    for channel in 0..3 {
        values.extend(frame.iter().skip(channel).step_by(3).map(|value| f32::from(*value) / 255.0));
    }
}

/// Pictures to look at: clipped to [0, 1] and rounded.
///
/// # Shapes
/// `[frames, 3, height, width]`
pub fn to_pictures(frames: Tensor<4>) -> Vec<Frame> {
    let [_, _, height, width] = frames.dims();
    let pixels = height * width;
    let values: Vec<f32> = frames.into_data().iter::<f32>().collect();
    values
        .chunks_exact(3 * pixels)
        .map(|planes| {
            let mut picture = Frame::new(width, height);
            for (at, rgb) in picture.pixels_mut().as_chunks_mut::<3>().0.iter_mut().enumerate() {
                *rgb = [0, 1, 2].map(|channel| (planes[channel * pixels + at].clamp(0.0, 1.0) * 255.0).round() as u8);
            }
            picture
        })
        .collect()
}

/// Pictures beside each other, each pixel `scale` pixels wide and high.
pub fn side_by_side(pictures: &[&Frame], scale: usize) -> Frame {
    const GAP: usize = 4;
    let width: usize = pictures.iter().map(|picture| picture.width() * scale + GAP).sum();
    let height = pictures.iter().map(|picture| picture.height() * scale).max().unwrap_or(0);
    let mut all = Frame::new(width.saturating_sub(GAP), height);
    let mut left = 0;
    for picture in pictures {
        for y in 0..picture.height() * scale {
            for x in 0..picture.width() * scale {
                all.set_pixel(left + x, y, picture.pixel(x / scale, y / scale));
            }
        }
        left += picture.width() * scale + GAP;
    }
    all
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use super::{push_planes, side_by_side, to_pictures};

    #[test]
    fn pictures_survive_the_way_there_and_back() {
        let bytes: Vec<u8> = (0..2 * 3 * 3).map(|value| value * 14).collect();
        let mut values = Vec::new();
        push_planes(&bytes, &mut values);
        let tensor = Tensor::from_data(TensorData::new(values, [1, 3, 2, 3]), &Device::flex());
        let pictures = to_pictures(tensor);
        assert_eq!(pictures[0].pixels(), bytes);
        let twice = side_by_side(&[&pictures[0], &pictures[0]], 2);
        assert_eq!((twice.width(), twice.height()), (16, 4));
        assert_eq!(twice.pixel(15, 3), pictures[0].pixel(2, 1));
    }
}
