//! Videos, by FFmpeg's libraries in this process.

mod concat;
mod decoder;
mod encoder;
mod header;
mod packets;
mod pool;
mod rgb;

use std::path::{Path, PathBuf};
use std::sync::Once;

use ffmpeg_next as ffmpeg;

pub use concat::{VideoKind, concat};
pub use decoder::VideoDecoder;
pub use encoder::{VideoCodec, VideoEncoder, VideoOptions};
pub use header::VideoInfo;
pub use packets::is_regular;
pub use pool::DecoderPool;

use crate::error::{Error, Result};

/// Starts FFmpeg once. Its own messages go nowhere: every fault comes back as an [`Error::Video`].
pub(crate) fn init(path: &Path) -> Result<()> {
    static START: Once = Once::new();
    START.call_once(|| ffmpeg::log::set_level(ffmpeg::log::Level::Quiet));
    ffmpeg::init().map_err(|error| Error::video(path, "starting FFmpeg", error))
}

/// A file's name as FFmpeg is to be given it. FFmpeg takes what stands before a colon for a protocol, which it cannot in
/// a path that begins at the root.
///
/// # Errors
/// [`Error::Video`] if the name is not UTF-8, [`Error::Io`] if there is no working directory.
fn file_name(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| Error::io(path, error))?;
    match absolute.to_str() {
        Some(name) if !name.contains('\0') => Ok(absolute),
        _ => Err(Error::video(path, "naming the file", "FFmpeg takes only names that are UTF-8, without zeros")),
    }
}

/// The version of the FFmpeg libraries in this process, such as `libavcodec 59.37.100`.
pub fn ffmpeg_version() -> String {
    let version = ffmpeg::codec::version();
    format!("libavcodec {}.{}.{}", version >> 16, (version >> 8) & 0xff, version & 0xff)
}

/// Names of the codecs that videos can be written with here.
pub fn available_encoders() -> Vec<&'static str> {
    let codecs = [VideoCodec::Av1, VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Vp9];
    codecs.into_iter().filter(|codec| codec.is_available()).map(VideoCodec::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_is_not_taken_for_a_protocol() {
        let name = file_name(Path::new("2024-05-01T12:30/a.mp4")).unwrap();
        assert!(name.is_absolute() && name.ends_with("2024-05-01T12:30/a.mp4"), "{}", name.display());
    }

    #[test]
    fn a_name_that_ffmpeg_cannot_be_given_is_an_error() {
        let error = file_name(Path::new("a\0.mp4")).unwrap_err();
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }
}
