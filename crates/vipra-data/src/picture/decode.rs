//! Still pictures from files and from bytes.

use std::io::{BufRead, Cursor, Seek};
use std::path::Path;

use image::{ImageReader, Limits};

use crate::error::{Error, Result};
use crate::frame::{Frame, MAX_PIXELS, check_size};

fn fault(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::Picture { reason: error.to_string(), path: path.to_path_buf() }
}

fn open(path: &Path) -> Result<ImageReader<std::io::BufReader<std::fs::File>>> {
    ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(|error| Error::io(path, error))
}

/// Width and height in pixels, from the header alone.
pub(crate) fn size_of_file(path: &Path) -> Result<(usize, usize)> {
    let (width, height) = open(path)?.into_dimensions().map_err(|error| fault(path, error))?;
    check_size(u64::from(width), u64::from(height), path)?;
    Ok((width as usize, height as usize))
}

/// Decodes the picture file at `path`.
pub(crate) fn decode_file(path: &Path) -> Result<Frame> {
    size_of_file(path)?;
    decode(open(path)?, path)
}

/// Decodes a picture that is stored inside of `path`.
pub(crate) fn decode_bytes(bytes: &[u8], path: &Path) -> Result<Frame> {
    let reader = || ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| Error::io(path, error));
    let (width, height) = reader()?.into_dimensions().map_err(|error| fault(path, error))?;
    check_size(u64::from(width), u64::from(height), path)?;
    decode(reader()?, path)
}

fn decode(mut reader: ImageReader<impl BufRead + Seek>, path: &Path) -> Result<Frame> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 16);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| fault(path, error))?.into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Frame::from_pixels(width, height, picture.into_raw())
}
