//! Resizing that agrees with the libraries the field uses.
//!
//! All three agree with their originals within one level of 255 (the goldens of `preprocess.safetensors`): the
//! antialiased ones by the crate `fast_image_resize`, OpenCV's by arithmetic of our own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resample::Resampler;
use crate::error::{Error, Result};
use crate::frame::Frame;

/// How pixels are interpolated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// Bilinear with antialiasing: torchvision's `Resize`, PIL's `BILINEAR` (latent actions).
    #[default]
    BilinearAntialias,
    /// Bilinear between the four nearest pixels: OpenCV's `INTER_LINEAR` (frame tokens).
    Bilinear,
    /// Lanczos with antialiasing: PIL's `LANCZOS` (the policy server).
    Lanczos,
}

/// What happens to the aspect ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Ignored: width and height are scaled on their own (ViPRA's training).
    #[default]
    Stretch,
    /// Kept: the largest centred part of the target's shape is used.
    CenterCrop,
    /// Kept: black bars fill the rest (openpi's `resize_with_pad`).
    Pad,
    /// Ignored, in two steps: first the longer side to the target, then both sides (ViPRA's policy).
    LongestSideThenStretch,
}

/// The pictures that a model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageConfig {
    /// Width of a picture, in pixels.
    #[schemars(range(min = 1, max = 8192))]
    pub width: usize,
    /// Height of a picture, in pixels.
    #[schemars(range(min = 1, max = 8192))]
    pub height: usize,
    /// What happens to the aspect ratio.
    pub fit: Fit,
    /// How pixels are interpolated.
    pub resampling: Resampling,
}

impl Default for ImageConfig {
    fn default() -> Self {
        ImageConfig { width: 64, height: 64, fit: Fit::default(), resampling: Resampling::default() }
    }
}

/// A part of a picture, as fractions of its width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Region {
    /// The whole picture.
    pub const WHOLE: Region = Region { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };

    /// The centred part with `width` and `height`.
    pub fn centered(width: f64, height: f64) -> Self {
        Region { left: (1.0 - width) / 2.0, top: (1.0 - height) / 2.0, width, height }
    }

    /// `inner`, given as fractions of this region, as fractions of the picture.
    fn compose(self, inner: Region) -> Region {
        Region {
            left: self.left + inner.left * self.width,
            top: self.top + inner.top * self.height,
            width: self.width * inner.width,
            height: self.height * inner.height,
        }
    }
}

/// Resizes pictures to one size; keeps its buffers.
pub struct Resizer {
    config: ImageConfig,
    resampler: Resampler,
    scratch: Frame,
}

impl Resizer {
    /// A resizer to the size of `config`.
    pub fn new(config: ImageConfig) -> Self {
        Resizer { config, resampler: Resampler::default(), scratch: Frame::default() }
    }

    /// Resizes the `region` of `frame` into `target`, `[height, width, 3]`. With [`Fit::CenterCrop`] the region is taken
    /// from the centred part.
    ///
    /// # Errors
    /// [`Error::Size`] if `target` does not have the configured size, [`Error::Invalid`] for an empty picture or region.
    pub fn resize(&mut self, frame: &Frame, region: Region, target: &mut [u8]) -> Result<()> {
        let ImageConfig { width, height, fit, resampling } = self.config;
        if target.len() != width * height * 3 {
            let what = "bytes of a resized picture".to_owned();
            return Err(Error::Size { what, expected: width * height * 3, found: target.len() });
        }
        if frame.pixels().is_empty() {
            return Err(Error::Invalid(format!("a picture of {}×{} pixels", frame.width(), frame.height())));
        }
        let size = (width, height);
        match fit {
            Fit::Stretch => self.resampler.run(resampling, frame, region, target, size),
            Fit::CenterCrop => {
                let region = center_crop(frame, width, height).compose(region);
                self.resampler.run(resampling, frame, region, target, size)
            }
            Fit::LongestSideThenStretch => {
                let first = longest_side_size(frame.width(), frame.height(), width.max(height));
                self.scratch.set_size(first.0, first.1);
                self.resampler.run(resampling, frame, Region::WHOLE, self.scratch.pixels_mut(), first)?;
                self.resampler.run(resampling, &self.scratch, region, target, size)
            }
            Fit::Pad => {
                let inner = padded_size(frame.width(), frame.height(), width, height);
                self.scratch.set_size(inner.0, inner.1);
                self.resampler.run(resampling, frame, region, self.scratch.pixels_mut(), inner)?;
                pad(&self.scratch, target, width, height);
                Ok(())
            }
        }
    }
}

/// The largest centred region of `frame` with the aspect ratio of `width`:`height`.
pub fn center_crop(frame: &Frame, width: usize, height: usize) -> Region {
    let have = frame.width() as f64 / frame.height() as f64;
    let want = width as f64 / height as f64;
    Region::centered((want / have).min(1.0), (have / want).min(1.0))
}

/// The size at which the longer side is `side`, as albumentations' `LongestMaxSize` rounds it.
fn longest_side_size(width: usize, height: usize, side: usize) -> (usize, usize) {
    let scale = side as f64 / width.max(height) as f64;
    let scaled = |length: usize| ((length as f64 * scale).round() as usize).max(1);
    (scaled(width), scaled(height))
}

/// The size at which the shorter side is `side`, as torchvision's `Resize(side)` truncates it (reference 3).
pub fn short_side_size(width: usize, height: usize, side: usize) -> (usize, usize) {
    if width <= height { (side, side * height / width) } else { (side * width / height, side) }
}

/// The size that fits into `width`×`height`, truncated as openpi's `resize_with_pad` does (interfaces a.3).
fn padded_size(from_width: usize, from_height: usize, width: usize, height: usize) -> (usize, usize) {
    let ratio = (from_width as f64 / width as f64).max(from_height as f64 / height as f64);
    let scaled = |length: usize| ((length as f64 / ratio) as usize).max(1);
    (scaled(from_width), scaled(from_height))
}

fn pad(inner: &Frame, target: &mut [u8], width: usize, height: usize) {
    let (left, top) = ((width - inner.width()) / 2, (height - inner.height()) / 2);
    target.fill(0);
    for (row, line) in inner.pixels().chunks_exact(inner.width() * 3).enumerate() {
        let at = ((top + row) * width + left) * 3;
        target[at..at + line.len()].copy_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openpi_padding_leaves_rows_28_to_195() {
        // Interfaces a.3: 480×640 → 224×224.
        let white = Frame::from_pixels(640, 480, vec![255; 640 * 480 * 3]).unwrap();
        let mut resizer = Resizer::new(ImageConfig { width: 224, height: 224, fit: Fit::Pad, ..Default::default() });
        let mut target = vec![7; 224 * 224 * 3];
        resizer.resize(&white, Region::WHOLE, &mut target).unwrap();
        let rows: Vec<usize> = (0..224).filter(|row| target[row * 224 * 3 + 300] == 255).collect();
        assert_eq!((rows[0], rows[rows.len() - 1], rows.len()), (28, 195, 168));
    }

    #[test]
    fn center_crop_cuts_the_longer_side() {
        let wide = Frame::new(200, 100);
        assert_eq!(center_crop(&wide, 64, 64), Region::centered(0.5, 1.0));
        let tall = Frame::new(50, 100);
        assert_eq!(center_crop(&tall, 64, 64), Region::centered(1.0, 0.5));
    }

    #[test]
    fn a_target_of_another_size_is_an_error() {
        let mut resizer = Resizer::new(ImageConfig::default());
        let error = resizer.resize(&Frame::new(8, 8), Region::WHOLE, &mut [0; 5]).unwrap_err();
        assert!(matches!(error, Error::Size { expected: 12288, found: 5, .. }), "{error}");
    }

    #[test]
    fn an_empty_picture_is_an_error() {
        for fit in [Fit::Stretch, Fit::CenterCrop, Fit::Pad, Fit::LongestSideThenStretch] {
            let config = ImageConfig { width: 8, height: 8, fit, ..Default::default() };
            assert!(Resizer::new(config).resize(&Frame::new(0, 0), Region::WHOLE, &mut [0; 192]).is_err(), "{fit:?}");
        }
    }
}
