//! A picture in memory.

use std::path::Path;

use crate::error::{Error, Result};

/// The most pixels a picture or a video frame may have: 8192×8192. A header that promises more is refused before any
/// memory is set aside for it.
pub const MAX_PIXELS: u64 = 1 << 26;

/// The most pixels in a row or a column; a long thin picture would otherwise grow when it is resized.
const MAX_SIDE: u64 = 1 << 15;

/// An 8-bit RGB picture, `[height, width, 3]`, row-major.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Frame {
    /// A black picture.
    pub fn new(width: usize, height: usize) -> Self {
        Frame { width, height, pixels: vec![0; width * height * 3] }
    }

    /// Wraps `pixels`, `[height, width, 3]`.
    ///
    /// # Errors
    /// [`Error::Size`] if the number of bytes is not `height * width * 3`.
    pub fn from_pixels(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self> {
        let expected = width * height * 3;
        if pixels.len() != expected {
            return Err(Error::Size { what: "bytes of an RGB picture".into(), expected, found: pixels.len() });
        }
        Ok(Frame { width, height, pixels })
    }

    /// Pictures of one size, `[pictures, height, width, 3]`; what is left at the end and no whole picture is not looked at.
    pub fn split_batch(width: usize, height: usize, pixels: &[u8]) -> Vec<Self> {
        let pictures = pixels.chunks_exact((width * height * 3).max(1));
        pictures.map(|pixels| Frame { width, height, pixels: pixels.to_vec() }).collect()
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// `[height, width, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// `[height, width, 3]`.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The RGB value at column `x` of row `y`.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// Sets the RGB value at column `x` of row `y`.
    pub fn set_pixel(&mut self, x: usize, y: usize, rgb: [u8; 3]) {
        let at = (y * self.width + x) * 3;
        self.pixels[at..at + 3].copy_from_slice(&rgb);
    }

    /// Changes the size and keeps the allocation; the content is unspecified afterwards.
    pub fn set_size(&mut self, width: usize, height: usize) {
        self.width = width;
        self.height = height;
        self.pixels.resize(width * height * 3, 0);
    }

    /// Copies `other` onto this picture with its upper left corner at (`x`, `y`); what does not fit is cut off.
    pub fn paste(&mut self, other: &Frame, x: usize, y: usize) {
        let width = other.width.min(self.width.saturating_sub(x));
        let height = other.height.min(self.height.saturating_sub(y));
        for row in 0..height {
            let from = row * other.width * 3;
            let to = ((y + row) * self.width + x) * 3;
            self.pixels[to..to + width * 3].copy_from_slice(&other.pixels[from..from + width * 3]);
        }
    }

    /// Writes the picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::Picture`] if the file cannot be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        image::save_buffer_with_format(
            path,
            &self.pixels,
            self.width as u32,
            self.height as u32,
            image::ExtendedColorType::Rgb8,
            image::ImageFormat::Png,
        )
        .map_err(|error| Error::Picture { reason: error.to_string(), path: path.to_path_buf() })
    }
}

/// Refuses a picture that is empty or larger than [`MAX_PIXELS`].
pub(crate) fn check_size(width: u64, height: u64, path: &Path) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(Error::Picture {
            reason: format!("a picture of {width}×{height} pixels"),
            path: path.to_path_buf(),
        });
    }
    if width.saturating_mul(height) > MAX_PIXELS || width.max(height) > MAX_SIDE {
        return Err(Error::TooLarge { width, height, limit: MAX_PIXELS, path: path.to_path_buf() });
    }
    Ok(())
}
