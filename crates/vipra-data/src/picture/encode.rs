//! Pictures and animations as files in memory.

use std::time::Duration;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, ExtendedColorType, ImageEncoder, RgbaImage};

use crate::error::{Error, Result};
use crate::frame::Frame;

/// Speed of the choice of colours, from 1 (best) to 30: small animations, so better than the crate's default.
const GIF_SPEED: i32 = 10;

/// A frame as a PNG file.
///
/// # Errors
/// [`Error::Invalid`] for a frame without pixels.
pub fn to_png(frame: &Frame) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(frame.pixels(), frame.width() as u32, frame.height() as u32, ExtendedColorType::Rgb8)
        .map_err(|error| Error::Invalid(format!("a picture cannot be written as PNG: {error}")))?;
    Ok(bytes)
}

/// Frames of one size as an endless GIF, each shown for `secs_per_frame`.
///
/// # Errors
/// [`Error::Invalid`] for frames without pixels.
pub fn to_gif(frames: &[Frame], secs_per_frame: f64) -> Result<Vec<u8>> {
    let fault = |error: image::ImageError| Error::Invalid(format!("an animation cannot be written as GIF: {error}"));
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, GIF_SPEED);
    encoder.set_repeat(Repeat::Infinite).map_err(fault)?;
    let delay = Delay::from_saturating_duration(Duration::from_secs_f64(secs_per_frame.clamp(0.02, 60.0)));
    for frame in frames {
        let pixels = frame.pixels().as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, u8::MAX]).collect();
        let picture = RgbaImage::from_raw(frame.width() as u32, frame.height() as u32, pixels).unwrap_or_default();
        encoder.encode_frame(image::Frame::from_parts(picture, 0, 0, delay)).map_err(fault)?;
    }
    drop(encoder);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;

    use super::{to_gif, to_png};
    use crate::frame::Frame;

    #[test]
    fn what_is_written_is_read_back() {
        let mut red = Frame::new(3, 2);
        red.set_pixel(1, 1, [255, 0, 0]);
        let png = image::load_from_memory(&to_png(&red).unwrap()).unwrap().to_rgb8();
        assert_eq!(png.as_raw(), red.pixels());

        let gif = to_gif(&[red.clone(), Frame::new(3, 2)], 0.2).unwrap();
        let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(gif)).unwrap();
        let frames = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].delay().numer_denom_ms(), (200, 1));
        assert_eq!(frames[0].buffer().get_pixel(1, 1).0, [255, 0, 0, 255]);
    }
}
