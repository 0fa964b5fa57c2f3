//! Frames as a file that a browser or a player shows.

use std::path::Path;

use vipra_data::Frame;
use vipra_data::picture::to_gif;
use vipra_data::video::{VideoCodec, VideoEncoder, VideoOptions};
use vipra_data::writer::write_atomic;

use crate::error::{Error, Result};

/// Constant rate factor of H.264: small objects keep their edges.
const CRF: u32 = 18;

/// Endings of the files that [`save_video`] writes.
pub fn video_kinds() -> [&'static str; 2] {
    ["mp4", "gif"]
}

/// Writes frames of one size as MP4 (H.264) or GIF, by the ending of `out`.
///
/// # Errors
/// [`Error::Invalid`] for another ending or no frames, [`Error::Data`] or [`Error::Io`] if the file cannot be written.
pub fn save_video(frames: &[Frame], fps: u32, out: &Path) -> Result<()> {
    let Some(first) = frames.first() else { return Err(Error::Invalid("a video of no frames".to_owned())) };
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("mp4") => {
            let options = VideoOptions { codec: VideoCodec::H264, gop: 10, crf: CRF };
            let fault = |error| Error::data(out, error);
            let mut encoder = VideoEncoder::create(out, first.width(), first.height(), fps, options).map_err(fault)?;
            frames.iter().try_for_each(|frame| encoder.push(frame)).map_err(fault)?;
            encoder.finish().map_err(fault)
        }
        Some("gif") => {
            let bytes = to_gif(frames, 1.0 / f64::from(fps)).map_err(|error| Error::data(out, error))?;
            // A half of one would be in the way of whoever draws videos.
            write_atomic(out, &bytes).map_err(|error| Error::data(out, error))
        }
        _ => Err(Error::Invalid(format!("{}: a video ends in .mp4 or .gif", out.display()))),
    }
}
