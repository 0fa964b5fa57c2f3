//! What the header of a video says, and a decoder for it.

use std::path::Path;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::Input;

use super::packets;
use crate::error::{Error, Result};
use crate::frame::check_size;

/// What a video says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoInfo {
    /// FFmpeg's name of the codec: `av1`, `h264`, `hevc`, `vp9`, `gif`, …
    pub codec: String,
    /// FFmpeg's name of the pixel format, such as `yuv420p`.
    pub pixel_format: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Frames a second, on average; FFmpeg's guess where the header does not say
    /// ([`VideoDecoder::length`](super::VideoDecoder::length) knows).
    pub fps: f64,
    /// Frames, as the header counts them or as rate and duration suggest: 0 where it has neither. Exactly:
    /// [`VideoDecoder::length`](super::VideoDecoder::length).
    pub frames: usize,
}

/// What a header says about rate and length.
pub(super) struct Header {
    /// Frames a second, on average.
    pub(super) fps: Option<f64>,
    /// FFmpeg's guess from a few times: the rate of which all of them would be multiples.
    guessed_fps: Option<f64>,
    /// Frames, where the header counts those that are shown.
    frames: Option<usize>,
    /// 0 where the header does not say.
    duration_secs: f64,
}

impl Header {
    pub(super) fn of(input: &Input, stream: &ffmpeg::Stream<'_>) -> Self {
        let known = |rate: ffmpeg::Rational| Some(f64::from(rate)).filter(|rate| rate.is_finite() && *rate > 0.0);
        let fps = known(stream.avg_frame_rate());
        let duration_secs = match stream.duration() {
            ticks if ticks > 0 => ticks as f64 * f64::from(stream.time_base()),
            _ => input.duration().max(0) as f64 / f64::from(ffi::AV_TIME_BASE),
        };
        // Where number and duration agree there is no edit list that hides frames.
        let number = stream.frames();
        let agree = number > 0 && fps.is_some_and(|fps| (number as f64 - duration_secs * fps).abs() < 0.5);
        let frames = agree.then_some(number as usize);
        Header { fps, guessed_fps: known(stream.rate()), frames, duration_secs }
    }

    pub(super) fn info(&self, decoder: &ffmpeg::codec::decoder::Video, path: &Path) -> Result<VideoInfo> {
        let fps = match self.fps.or(self.guessed_fps) {
            Some(fps) => fps,
            None => self.length(path)?.0,
        };
        let pixel_format = decoder.format().descriptor().map_or("unknown", |format| format.name());
        Ok(VideoInfo {
            codec: decoder.id().name().to_owned(),
            pixel_format: pixel_format.to_owned(),
            width: decoder.width() as usize,
            height: decoder.height() as usize,
            fps,
            frames: self.frames.unwrap_or((self.duration_secs * fps).round() as usize),
        })
    }

    /// Rate and number of frames, counted where the header does not tell.
    pub(super) fn length(&self, path: &Path) -> Result<(f64, usize)> {
        if let (Some(fps), Some(frames)) = (self.fps, self.frames) {
            return Ok((fps, frames));
        }
        let secs = packets::frame_times(path)?.secs;
        let (first_secs, last_secs) = (secs.first().copied().unwrap_or(0.0), secs.last().copied().unwrap_or(0.0));
        let counted = (last_secs > first_secs).then(|| (secs.len() - 1) as f64 / (last_secs - first_secs));
        let fps = self.fps.or(counted).or(self.guessed_fps);
        let fps = fps.ok_or_else(|| Error::video(path, "opening the video", "it has no frame rate"))?;
        // Counted at the average rate: with a variable one, frames are not what time is made of.
        let frames = if secs.is_empty() { 0 } else { (last_secs * fps).round() as usize + 1 };
        Ok((fps, frames))
    }
}

pub(super) fn open_decoder(stream: &ffmpeg::Stream<'_>, path: &Path) -> Result<ffmpeg::codec::decoder::Video> {
    let fault = |doing: &'static str| move |error: ffmpeg::Error| Error::video(path, doing, error);
    let mut context =
        ffmpeg::codec::Context::from_parameters(stream.parameters()).map_err(fault("reading the codec"))?;
    context.set_threading(ffmpeg::threading::Config::count(1));
    let decoder = context.decoder().video().map_err(fault("opening the decoder"))?;
    check_size(u64::from(decoder.width()), u64::from(decoder.height()), path)?;
    Ok(decoder)
}
