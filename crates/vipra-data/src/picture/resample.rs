//! One resize of one picture, by `fast_image_resize` or by [`bilinear`].

use fast_image_resize as fir;

use super::bilinear;
use super::resize::{Region, Resampling};
use crate::error::{Error, Result};
use crate::frame::Frame;

/// Resizes pictures; keeps its buffers.
#[derive(Default)]
pub(super) struct Resampler {
    engine: fir::Resizer,
    /// The picture between the two passes: its width is the target's, its height the source's.
    between: Frame,
}

/// A part of a picture, in pixels.
#[derive(Clone, Copy)]
struct Crop {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Resampler {
    /// Resizes the `region` of `frame` into `target`, `[height, width, 3]`.
    pub(super) fn run(
        &mut self,
        resampling: Resampling,
        frame: &Frame,
        region: Region,
        target: &mut [u8],
        (width, height): (usize, usize),
    ) -> Result<()> {
        if region == Region::WHOLE && (frame.width(), frame.height()) == (width, height) {
            target.copy_from_slice(frame.pixels());
            return Ok(());
        }
        let filter = match resampling {
            Resampling::BilinearAntialias => fir::FilterType::Bilinear,
            Resampling::Lanczos => fir::FilterType::Lanczos3,
            Resampling::Bilinear => {
                bilinear::resize(frame, region, target, width, height);
                return Ok(());
            }
        };
        // Two calls, because PIL and torchvision go along the rows first and round to 8 bits in between; the crate goes
        // along the columns first, which differs from them by up to two levels.
        let (full_width, full_height) = (frame.width() as f64, frame.height() as f64);
        let left = region.left * full_width;
        let rows =
            Crop { left, top: 0.0, width: (region.width * full_width).min(full_width - left), height: full_height };
        self.between.set_size(width, frame.height());
        pass(&mut self.engine, filter, frame, rows, self.between.pixels_mut(), (width, frame.height()))?;
        let top = region.top * full_height;
        let columns =
            Crop { left: 0.0, top, width: width as f64, height: (region.height * full_height).min(full_height - top) };
        pass(&mut self.engine, filter, &self.between, columns, target, (width, height))
    }
}

fn pass(
    engine: &mut fir::Resizer,
    filter: fir::FilterType,
    frame: &Frame,
    crop: Crop,
    target: &mut [u8],
    (width, height): (usize, usize),
) -> Result<()> {
    let fault = |error: &dyn std::fmt::Display| {
        let size = format!("{}×{} to {width}×{height} pixels", frame.width(), frame.height());
        Error::Invalid(format!("resizing a picture from {size}: {error}"))
    };
    let kind = fir::PixelType::U8x3;
    let source = fir::images::ImageRef::new(frame.width() as u32, frame.height() as u32, frame.pixels(), kind)
        .map_err(|error| fault(&error))?;
    let mut target =
        fir::images::Image::from_slice_u8(width as u32, height as u32, target, kind).map_err(|error| fault(&error))?;
    let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter)).use_alpha(false).crop(
        crop.left,
        crop.top,
        crop.width,
        crop.height,
    );
    engine.resize(&source, &mut target, &options).map_err(|error| fault(&error))
}
