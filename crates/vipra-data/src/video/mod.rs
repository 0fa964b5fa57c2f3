//! Videos, by FFmpeg's libraries in this process.

mod concat;
mod decoder;
mod encoder;
mod packets;
mod pool;
mod rgb;

use std::path::Path;
use std::sync::Once;

use ffmpeg_next as ffmpeg;

pub use concat::{VideoKind, concat};
pub use decoder::{VideoDecoder, VideoInfo};
pub use encoder::{VideoCodec, VideoEncoder, VideoOptions};
pub use packets::is_regular;
pub use pool::DecoderPool;

use crate::error::{Error, Result};

/// Starts FFmpeg once. Its own messages go nowhere: every fault comes back as an [`Error::Video`].
pub(crate) fn init(path: &Path) -> Result<()> {
    static START: Once = Once::new();
    START.call_once(|| ffmpeg::log::set_level(ffmpeg::log::Level::Quiet));
    ffmpeg::init().map_err(|error| Error::video(path, "starting FFmpeg", error))
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
