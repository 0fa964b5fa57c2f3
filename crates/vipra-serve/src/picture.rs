//! Frames out of what clients send; sizes are looked at before anything is decoded.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader};
use vipra_data::Frame;

use crate::codec::{Array, Kind, Value};
use crate::{Error, Result};

/// Bytes that a decoder may take for a pixel: 16 bits in four channels, twice.
const DECODER_BYTES: u64 = 16;

/// An image of a message: an array, or the bytes of a JPEG, PNG, WebP, BMP or GIF file.
pub(crate) fn decode_value(field: &str, value: &Value<'_>, max_side: usize) -> Result<Frame> {
    match value {
        Value::Array(array) => decode_array(field, array, max_side),
        Value::Bytes(bytes) => decode_file(field, bytes, max_side),
        other => Err(Error::refused(field, format!("{} is no image", other.kind()))),
    }
}

/// An array of bytes or of fractions from 0 to 1, `[height, width, 3]` or `[3, height, width]` (interfaces a.3).
fn decode_array(field: &str, array: &Array<'_>, max_side: usize) -> Result<Frame> {
    let (height, width, channels_first) = match *array.shape() {
        [height, width, 3] => (height, width, false),
        [3, height, width] => (height, width, true),
        ref shape => {
            let reason = format!("shape {shape:?}; an image is [height, width, 3] or [3, height, width]");
            return Err(Error::refused(field, reason));
        }
    };
    check_size(field, width as u64, height as u64, max_side)?;
    let levels = levels(field, array)?;
    let levels = if channels_first { channels_last(&levels, height * width) } else { levels };
    Frame::from_pixels(width, height, levels).map_err(|error| Error::refused(field, error.to_string()))
}

fn levels(field: &str, array: &Array<'_>) -> Result<Vec<u8>> {
    let dtype = array.dtype();
    match (dtype.kind(), array.numbers()) {
        (Kind::Unsigned, _) if dtype.bytes() == 1 => Ok(array.data().to_vec()),
        (Kind::Float, Some(values)) => {
            if let Some(wrong) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
                return Err(Error::refused(field, format!("a float image must be within 0 to 1; found {wrong}")));
            }
            // Truncated, as openpi's transforms do.
            Ok(values.iter().map(|value| (value * 255.0) as u8).collect())
        }
        _ => Err(Error::refused(field, format!("an image of {dtype}; taken are |u1 and fractions"))),
    }
}

fn channels_last(planes: &[u8], pixels: usize) -> Vec<u8> {
    (0..pixels).flat_map(|at| [planes[at], planes[pixels + at], planes[2 * pixels + at]]).collect()
}

/// The bytes of an image file.
pub(crate) fn decode_file(field: &str, bytes: &[u8], max_side: usize) -> Result<Frame> {
    let fault = |error: image::ImageError| Error::refused(field, format!("cannot be read as an image: {error}"));
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| fault(image::ImageError::IoError(error)))?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some((max_side * max_side) as u64 * DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(fault)?;
    let (width, height) = decoder.dimensions();
    check_size(field, width.into(), height.into(), max_side)?;
    if !decoder.color_type().has_color() {
        return Err(Error::refused(
            field,
            "an image of grey levels alone; an image is RGB, also where all of it is grey",
        ));
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(fault)?.into_rgb8();
    Frame::from_pixels(width as usize, height as usize, picture.into_raw())
        .map_err(|error| Error::refused(field, error.to_string()))
}

/// Refuses an image without pixels, and one with more than `max_side` in a row or a column.
pub(crate) fn check_size(field: &str, width: u64, height: u64, max_side: usize) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(Error::refused(field, format!("an image of {width}×{height} pixels")));
    }
    if width.max(height) > max_side as u64 {
        let reason = format!("an image of {width}×{height} pixels; at most {max_side} a side are taken");
        return Err(Error::refused(field, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vipra_data::picture::to_png;

    use super::*;
    use crate::codec::DType;

    const SIDE: usize = 64;

    fn array(dtype: &str, shape: &[usize], data: Vec<u8>) -> Value<'static> {
        Value::Array(Array::new(dtype.parse().unwrap(), shape.to_vec(), data).unwrap())
    }

    fn refused(value: &Value<'_>) -> String {
        decode_value("observation/image", value, SIDE).unwrap_err().to_string()
    }

    #[test]
    fn layouts_and_fractions_become_the_same_frame() {
        let frame = Frame::from_pixels(2, 1, vec![255, 0, 51, 102, 204, 0]).unwrap();
        let channels_last = array("|u1", &[1, 2, 3], frame.pixels().to_vec());
        let channels_first = array("|u1", &[3, 1, 2], vec![255, 102, 0, 204, 51, 0]);
        let fractions = frame.pixels().iter().flat_map(|level| ((f32::from(*level) + 0.5) / 255.5).to_le_bytes());
        let fractions = array("<f4", &[1, 2, 3], fractions.collect());
        let file = Value::Bytes(to_png(&frame).unwrap().into());
        for value in [channels_last, channels_first, fractions, file] {
            assert_eq!(decode_value("image", &value, SIDE).unwrap(), frame, "{}", value.kind());
        }
    }

    #[test]
    fn what_is_no_image_in_colors_is_refused_by_name() {
        assert!(refused(&array("|u1", &[2, 2], vec![0; 4])).contains("[2, 2]"));
        assert!(refused(&array("|u1", &[1, 2, 2, 3], vec![0; 12])).starts_with("`observation/image`"));
        assert!(refused(&array("<i4", &[1, 1, 3], vec![0; 12])).contains("<i4"));
        assert!(refused(&array("|u1", &[0, 5, 3], vec![])).contains("5×0"));
        let wrong = array("<f4", &[1, 1, 3], [0.5_f32, f32::NAN, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect());
        assert!(refused(&wrong).contains("NaN"));
        assert!(refused(&Value::Text("picture".into())).contains("a text"));
        assert!(refused(&Value::Bytes(b"no picture"[..].into())).contains("cannot be read"));
        for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg] {
            let mut grey = Cursor::new(Vec::new());
            DynamicImage::new_luma8(2, 2).write_to(&mut grey, format).unwrap();
            assert!(refused(&Value::Bytes(grey.into_inner().into())).contains("grey levels"), "{format:?}");
        }
    }

    #[test]
    fn sizes_are_looked_at_before_pixels() {
        let wide = Array::new(DType::U8, vec![1, 65, 3], vec![0; 65 * 3]).unwrap();
        assert!(refused(&Value::Array(wide)).contains("65×1"));
        // The header of a picture of one pixel, changed to promise many.
        let mut file = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(1, 1).write_to(&mut file, image::ImageFormat::Bmp).unwrap();
        let mut file = file.into_inner();
        for at in [18, 22] {
            file[at..at + 4].copy_from_slice(&30_000_u32.to_le_bytes());
        }
        assert!(refused(&Value::Bytes(file.into())).contains("30000×30000"));
    }
}
