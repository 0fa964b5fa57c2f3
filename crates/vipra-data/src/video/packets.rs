//! What a video's packets say without decoding them.

use std::path::Path;

use ffmpeg_next as ffmpeg;

use crate::error::{Error, Result};

/// Decoded, but not shown: what an edit list cuts away.
const DISCARD: ffmpeg::packet::Flags = ffmpeg::packet::Flags::from_bits_retain(ffmpeg::ffi::AV_PKT_FLAG_DISCARD);

/// The time of each frame after the first, in seconds, in the order they are shown.
///
/// # Errors
/// [`Error::Video`] if the file cannot be read to its end.
pub(super) fn frame_times(path: &Path) -> Result<Vec<f64>> {
    super::init(path)?;
    let mut input = ffmpeg::format::input(path).map_err(|error| Error::video(path, "opening the video", error))?;
    let (index, seconds_per_tick) = input
        .streams()
        .best(ffmpeg::media::Type::Video)
        .map(|stream| (stream.index(), f64::from(stream.time_base())))
        .ok_or_else(|| Error::video(path, "opening the video", "it has no video stream"))?;
    let mut ticks = Vec::new();
    let mut packet = ffmpeg::Packet::empty();
    while read(&mut packet, &mut input, path)? {
        if packet.stream() == index && !packet.flags().contains(DISCARD) {
            ticks.extend(packet.pts().or(packet.dts()));
        }
    }
    ticks.sort_unstable();
    let first = ticks.first().copied().unwrap_or(0);
    Ok(ticks.into_iter().map(|tick| (tick - first) as f64 * seconds_per_tick).collect())
}

/// Whether the video has exactly `frames` frames, `fps` of them a second, without a gap.
///
/// # Errors
/// [`Error::Video`] if the file cannot be read to its end.
pub fn is_regular(path: &Path, frames: usize, fps: f64) -> Result<bool> {
    let times = frame_times(path)?;
    let on_time = |(frame, secs): (usize, &f64)| (secs - frame as f64 / fps).abs() < 1e-4;
    Ok(times.len() == frames && times.iter().enumerate().all(on_time))
}

/// Reads the next packet of any stream; false at the end of the file.
pub(super) fn read(
    packet: &mut ffmpeg::Packet,
    input: &mut ffmpeg::format::context::Input,
    path: &Path,
) -> Result<bool> {
    match packet.read(input) {
        Ok(()) => Ok(true),
        Err(ffmpeg::Error::Eof) => Ok(false),
        Err(error) => Err(Error::video(path, "reading a packet", error)),
    }
}
