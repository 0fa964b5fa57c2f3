//! What a video's packets say without decoding them.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::packet::Ref as _;

use crate::error::{Error, Result};

/// When the frames of a video are shown.
pub(super) struct FrameTimes {
    /// Seconds since the start of the stream, ascending.
    pub(super) secs: Vec<f64>,
    /// Frames that are in the file and not shown: an edit list cuts them away, or they come before the start, where the key
    /// frame that they stand on is missing.
    pub(super) hidden: usize,
}

/// The time of each frame that is shown.
///
/// # Errors
/// [`Error::Video`] if the file cannot be read to its end.
pub(super) fn frame_times(path: &Path) -> Result<FrameTimes> {
    let mut input = open(path)?;
    let stream = video_stream(&input, path)?;
    let (index, seconds_per_tick) = (stream.index(), f64::from(stream.time_base()));
    let (mut start, is_program_stream) = (start_tick(&stream), is_program_stream(&input));
    let (mut ticks, mut durations, mut hidden) = (Vec::new(), Vec::new(), 0);
    while let Some(packet) = next(&mut input, index, path)? {
        let tick = packet.pts().or(packet.dts());
        if is_hidden(&packet) || (!is_program_stream && tick.is_some_and(|tick| tick < start)) {
            hidden += 1;
            continue;
        }
        ticks.extend(tick);
        durations.push(packet.duration().max(0));
    }
    if is_program_stream || ticks.is_empty() {
        (ticks, start) = (one_after_the_other(&durations), 0);
    }
    ticks.sort_unstable();
    let secs = ticks.into_iter().map(|tick| (tick - start) as f64 * seconds_per_tick).collect();
    Ok(FrameTimes { secs, hidden })
}

/// When each of these begins, if the first begins at 0.
fn one_after_the_other(durations: &[i64]) -> Vec<i64> {
    let begin = |end: &mut i64, duration: &i64| {
        let begin = *end;
        *end = begin.saturating_add(*duration);
        Some(begin)
    };
    durations.iter().scan(0, begin).collect()
}

/// Whether the video has exactly `frames` frames, `fps` of them a second, without a gap and without any that are not
/// shown: those would be copied along with it.
///
/// # Errors
/// [`Error::Video`] if the file cannot be read to its end.
pub fn is_regular(path: &Path, frames: usize, fps: f64) -> Result<bool> {
    let times = frame_times(path)?;
    let on_time = |(frame, secs): (usize, &f64)| (secs - frame as f64 / fps).abs() < 1e-4;
    Ok(times.hidden == 0 && times.secs.len() == frames && times.secs.iter().enumerate().all(on_time))
}

/// Opens a video.
///
/// # Errors
/// [`Error::Video`] if it cannot be opened.
pub(super) fn open(path: &Path) -> Result<Input> {
    super::init(path)?;
    ffmpeg::format::input(&super::file_name(path)?).map_err(|error| Error::video(path, "opening the video", error))
}

/// The stream that holds the pictures.
///
/// # Errors
/// [`Error::Video`] if there is none.
pub(super) fn video_stream<'a>(input: &'a Input, path: &Path) -> Result<ffmpeg::Stream<'a>> {
    let stream = input.streams().best(ffmpeg::media::Type::Video);
    stream.ok_or_else(|| Error::video(path, "opening the video", "it has no video stream"))
}

/// The time that counts as 0.
pub(super) fn start_tick(stream: &ffmpeg::Stream<'_>) -> i64 {
    match stream.start_time() {
        ffi::AV_NOPTS_VALUE => 0,
        tick => tick,
    }
}

/// The next packet of a stream; `None` at the end of the file.
///
/// # Errors
/// [`Error::Video`] if the file cannot be read.
pub(super) fn next(input: &mut Input, stream: usize, path: &Path) -> Result<Option<ffmpeg::Packet>> {
    loop {
        // A new one each time: reading into a packet does not release what it held.
        let mut packet = ffmpeg::Packet::empty();
        match packet.read(input) {
            Ok(()) if packet.stream() == stream => return Ok(Some(packet)),
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => return Ok(None),
            Err(error) => return Err(Error::video(path, "reading a packet", error)),
        }
    }
}

/// Whether this is an MPEG program stream (`.mpg`). In those only some frames have a time of their own; FFmpeg makes up
/// the others, differently when it begins in the middle, and gives some of the times to a neighbour. What is right is
/// that each frame follows on the one before.
pub(super) fn is_program_stream(input: &Input) -> bool {
    input.format().name() == "mpeg"
}

/// Whether a packet's frame is decoded, but not shown.
fn is_hidden(packet: &ffmpeg::Packet) -> bool {
    // The wrapper's flags leave out all that it has no name for, this one too.
    // SAFETY: the pointer is that of a packet that is alive, of which one number is read.
    let flags = unsafe { (*packet.as_ptr()).flags };
    flags & ffi::AV_PKT_FLAG_DISCARD != 0
}
