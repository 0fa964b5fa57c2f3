//! Decoded frames to RGB pictures.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;
use ffmpeg_next::software::scaling;

use crate::error::{Error, Result};
use crate::frame::{Frame, check_size};

/// Colour conversion to RGB, by libswscale; kept as long as size and format stay the same.
#[derive(Default)]
pub(super) struct Converter {
    scaler: Option<(scaling::Context, ColorSpace)>,
    rgb: Option<ffmpeg::frame::Video>,
}

// SAFETY: a libswscale context may be used from any thread, by one at a time; `&mut` sees to that.
unsafe impl Send for Converter {}

#[derive(Clone, Copy, PartialEq)]
struct ColorSpace {
    matrix: i32,
    full_range: bool,
}

impl Converter {
    /// Writes `frame` into `picture`, which takes its size.
    pub(super) fn convert(&mut self, frame: &ffmpeg::frame::Video, picture: &mut Frame, path: &Path) -> Result<()> {
        let (width, height) = (frame.width(), frame.height());
        check_size(u64::from(width), u64::from(height), path)?;
        let fault = |error| Error::video(path, "converting to RGB", error);

        let definition = scaling::context::Definition { format: frame.format(), width, height };
        let space = ColorSpace::of(frame);
        let reusable = matches!(&self.scaler, Some((scaler, of)) if *scaler.input() == definition && *of == space);
        if !reusable {
            let mut scaler = scaling::Context::get(
                frame.format(),
                width,
                height,
                ffmpeg::format::Pixel::RGB24,
                width,
                height,
                scaling::Flags::BILINEAR,
            )
            .map_err(fault)?;
            space.apply(&mut scaler);
            self.scaler = Some((scaler, space));
            self.rgb = Some(ffmpeg::frame::Video::empty());
        }
        let (Some((scaler, _)), Some(rgb)) = (&mut self.scaler, &mut self.rgb) else { return Ok(()) };
        scaler.run(frame, rgb).map_err(fault)?;

        let (width, height) = (width as usize, height as usize);
        picture.set_size(width, height);
        let (stride, data) = (rgb.stride(0), rgb.data(0));
        for (row, line) in picture.pixels_mut().chunks_exact_mut(width * 3).enumerate() {
            line.copy_from_slice(&data[row * stride..row * stride + width * 3]);
        }
        Ok(())
    }
}

impl ColorSpace {
    /// The matrix of the frame, or BT.601 where the video does not say.
    fn of(frame: &ffmpeg::frame::Video) -> Self {
        let matrix = match frame.color_space() {
            ffmpeg::color::Space::BT709 => ffi::SWS_CS_ITU709,
            ffmpeg::color::Space::BT2020NCL | ffmpeg::color::Space::BT2020CL => ffi::SWS_CS_BT2020,
            ffmpeg::color::Space::SMPTE240M => ffi::SWS_CS_SMPTE240M,
            ffmpeg::color::Space::FCC => ffi::SWS_CS_FCC,
            _ => ffi::SWS_CS_DEFAULT,
        };
        ColorSpace { matrix, full_range: frame.color_range() == ffmpeg::color::Range::JPEG }
    }

    fn apply(self, scaler: &mut scaling::Context) {
        // SAFETY: the tables are constants of libswscale, the context is alive; formats without a matrix (RGB, palette)
        // make the call return an error that has nothing to tell.
        unsafe {
            let table = ffi::sws_getCoefficients(self.matrix);
            let one = 1 << 16;
            ffi::sws_setColorspaceDetails(
                scaler.as_mut_ptr(),
                table,
                i32::from(self.full_range),
                table,
                1,
                0,
                one,
                one,
            );
        }
    }
}
