//! Random access to the frames of one video file.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;

use super::packets;
use super::rgb::Converter;
use crate::error::{Error, Result};
use crate::frame::{Frame, check_size};

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
    /// Frames a second, on average.
    pub fps: f64,
    /// Frames, as the container counts them or as rate and duration suggest.
    pub frames: usize,
}

/// A decoder that stays open and finds frames by their time.
///
/// Times are seconds from the start of the video stream. Going forward decodes on; a jump seeks to the key frame before
/// its target. One thread a decoder: what decodes many clips at once has many decoders.
pub struct VideoDecoder {
    path: PathBuf,
    info: VideoInfo,
    input: ffmpeg::format::context::Input,
    stream: usize,
    seconds_per_tick: f64,
    start_tick: i64,
    decoder: ffmpeg::codec::decoder::Video,
    /// The frame decoded last, and the one before it if nothing was skipped between them.
    current: Decoded,
    previous: Decoded,
    /// Memory for the next frame.
    spare: Decoded,
    /// The next frame decoded, or `current`, is the first of the stream.
    next_is_first: bool,
    current_is_first: bool,
    draining: bool,
    ended: bool,
    converter: Converter,
    picture: Frame,
}

/// A decoded frame and its time; `None` while there is none.
struct Decoded {
    secs: Option<f64>,
    duration_secs: f64,
    frame: ffmpeg::frame::Video,
}

#[derive(Clone, Copy, PartialEq)]
enum Choice {
    Current,
    Previous,
}

impl VideoDecoder {
    /// Opens a video.
    ///
    /// # Errors
    /// [`Error::Video`] if it cannot be opened or has no video stream, [`Error::TooLarge`] beyond
    /// [`MAX_PIXELS`](crate::MAX_PIXELS).
    pub fn open(path: &Path) -> Result<Self> {
        super::init(path)?;
        let fault = |doing: &'static str| move |error: ffmpeg::Error| Error::video(path, doing, error);
        let input = ffmpeg::format::input(path).map_err(fault("opening the video"))?;
        let stream = input
            .streams()
            .best(ffmpeg::media::Type::Video)
            .ok_or_else(|| Error::video(path, "opening the video", "it has no video stream"))?;

        let mut context =
            ffmpeg::codec::Context::from_parameters(stream.parameters()).map_err(fault("reading the codec"))?;
        context.set_threading(ffmpeg::threading::Config::count(1));
        let decoder = context.decoder().video().map_err(fault("opening the decoder"))?;
        check_size(u64::from(decoder.width()), u64::from(decoder.height()), path)?;

        let (fps, frames) = rate_and_length(&stream, path)?;
        let info = VideoInfo {
            codec: decoder.id().name().to_owned(),
            pixel_format: decoder.format().descriptor().map_or_else(|| "unknown".to_owned(), |d| d.name().to_owned()),
            width: decoder.width() as usize,
            height: decoder.height() as usize,
            fps,
            frames,
        };
        let seconds_per_tick = f64::from(stream.time_base());
        let start_tick = match stream.start_time() {
            ffi::AV_NOPTS_VALUE => 0,
            tick => tick,
        };
        let stream = stream.index();
        Ok(VideoDecoder {
            path: path.to_path_buf(),
            info,
            input,
            stream,
            seconds_per_tick,
            start_tick,
            decoder,
            current: Decoded::none(),
            previous: Decoded::none(),
            spare: Decoded::none(),
            next_is_first: true,
            current_is_first: false,
            draining: false,
            ended: false,
            converter: Converter::default(),
            picture: Frame::default(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the video says about itself.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Hands the frame nearest to each of `times_secs` to `take`, together with its number in `times_secs` and its own
    /// time. Ascending times are fastest; the answer does not depend on what was asked before.
    ///
    /// # Errors
    /// [`Error::Video`] if decoding fails, [`Error::FrameTime`] if the video ends before a time, and whatever `take`
    /// returns.
    pub fn frames_at(
        &mut self,
        times_secs: &[f64],
        mut take: impl FnMut(usize, f64, &Frame) -> Result<()>,
    ) -> Result<()> {
        let mut converted: Option<f64> = None;
        for (number, &wanted) in times_secs.iter().enumerate() {
            let choice = self.find(wanted)?;
            let decoded = if choice == Choice::Current { &self.current } else { &self.previous };
            let secs = decoded.secs.unwrap_or(wanted);
            if converted != Some(secs) {
                self.converter.convert(&decoded.frame, &mut self.picture, &self.path)?;
                converted = Some(secs);
            }
            take(number, secs, &self.picture)?;
        }
        Ok(())
    }

    /// Times that are closer than this are the same: containers round, some of them to milliseconds.
    fn rounding_secs(&self) -> f64 {
        (0.1 / self.info.fps).min(1e-3)
    }

    /// Moves to the frame nearest to `wanted` and says where it is held.
    fn find(&mut self, wanted: f64) -> Result<Choice> {
        if self.held(wanted).is_none() && self.should_seek(wanted) {
            self.seek_before(wanted)?;
        }
        loop {
            if let Some(choice) = self.held(wanted) {
                self.check_not_past_end(wanted)?;
                return Ok(choice);
            }
            if self.ended {
                return Err(Error::video(&self.path, "decoding", "it holds no frame"));
            }
            self.advance()?;
        }
    }

    /// Which of the frames in hand is nearest to `wanted`, if that is certain. Of two equally near, the earlier.
    fn held(&self, wanted: f64) -> Option<Choice> {
        let current = self.current.secs?;
        let rounding = self.rounding_secs();
        if (current - wanted).abs() <= rounding {
            return Some(Choice::Current);
        }
        if current < wanted {
            return self.ended.then_some(Choice::Current);
        }
        if self.current_is_first {
            return Some(Choice::Current);
        }
        let previous = self.previous.secs.filter(|previous| *previous <= wanted + rounding)?;
        Some(if wanted - previous <= current - wanted { Choice::Previous } else { Choice::Current })
    }

    /// A video that was cut off ends before its container says; the last frame must not stand in for the rest.
    fn check_not_past_end(&self, wanted: f64) -> Result<()> {
        let Some(last) = self.current.secs.filter(|_| self.ended) else { return Ok(()) };
        let shown_until = last + self.current.duration_secs.max(1.0 / self.info.fps);
        if wanted <= shown_until + 0.5 / self.info.fps {
            return Ok(());
        }
        Err(Error::FrameTime { wanted_secs: wanted, nearest_secs: last, path: self.path.clone() })
    }

    fn should_seek(&self, wanted: f64) -> bool {
        let Some(current) = self.current.secs else { return wanted * self.info.fps > 0.5 };
        if current > wanted {
            return true;
        }
        match self.key_frame_before(wanted) {
            Some(key) => key > current + 1.5 / self.info.fps,
            // Containers without an index: decoding two seconds is about as dear as a seek.
            None => wanted - current > 2.0,
        }
    }

    /// The time of the last key frame at or before `wanted`, if the container has an index.
    fn key_frame_before(&self, wanted: f64) -> Option<f64> {
        let ticks = ((wanted + self.rounding_secs()) / self.seconds_per_tick).floor() as i64;
        let stream = self.input.stream(self.stream)?;
        // SAFETY: the stream belongs to `self.input`, which outlives this call; the entry is only read here, before
        // anything else can change the index.
        let entry = unsafe {
            let entry = ffi::avformat_index_get_entry_from_timestamp(
                stream.as_ptr().cast_mut(),
                self.start_tick.saturating_add(ticks),
                ffi::AVSEEK_FLAG_BACKWARD,
            );
            entry.as_ref()?.timestamp
        };
        Some((entry - self.start_tick) as f64 * self.seconds_per_tick)
    }

    /// Seeks so that the next frame decoded is at or before `wanted`. Indices are in decoding order, so with
    /// reordered frames a seek can land late: then it is tried again from further back.
    fn seek_before(&mut self, wanted: f64) -> Result<()> {
        let mut back_secs = 0.0;
        loop {
            let target = (wanted - back_secs).max(0.0);
            self.seek(target)?;
            self.advance()?;
            let early_enough = self.current.secs.is_some_and(|secs| secs <= wanted + self.rounding_secs());
            if early_enough || target == 0.0 {
                return Ok(());
            }
            back_secs = if back_secs == 0.0 { 1.0 } else { back_secs * 4.0 };
        }
    }

    fn seek(&mut self, target: f64) -> Result<()> {
        let base = self.start_tick as f64 * self.seconds_per_tick;
        let micros = ((base + target + self.rounding_secs()) * f64::from(ffi::AV_TIME_BASE)).floor() as i64;
        if self.input.seek(micros, ..micros).is_err() {
            // Some demuxers (gif) cannot seek: begin again.
            *self = VideoDecoder::open(&self.path)?;
            return Ok(());
        }
        self.decoder.flush();
        self.current.secs = None;
        self.previous.secs = None;
        self.draining = false;
        self.ended = false;
        self.next_is_first = target == 0.0;
        Ok(())
    }

    /// Decodes one frame into `current`; the former one becomes `previous`. At the end only `ended` changes.
    fn advance(&mut self) -> Result<()> {
        loop {
            match self.decoder.receive_frame(&mut self.spare.frame) {
                Ok(()) => break,
                Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::util::error::EAGAIN && !self.draining => {
                    self.feed()?;
                }
                Err(ffmpeg::Error::Eof) => {
                    self.ended = true;
                    return Ok(());
                }
                Err(error) => return Err(Error::video(&self.path, "decoding", error)),
            }
        }
        let frame = &self.spare.frame;
        let tick = frame.timestamp().or_else(|| frame.pts());
        self.spare.secs = Some(match tick {
            Some(tick) => (tick - self.start_tick) as f64 * self.seconds_per_tick,
            None => self.current.secs.map_or(0.0, |secs| secs + 1.0 / self.info.fps),
        });
        self.spare.duration_secs = frame.packet().duration.max(0) as f64 * self.seconds_per_tick;
        std::mem::swap(&mut self.previous, &mut self.current);
        std::mem::swap(&mut self.current, &mut self.spare);
        self.current_is_first = std::mem::take(&mut self.next_is_first);
        Ok(())
    }

    /// Gives the decoder the stream's next packet, or the end of the stream.
    fn feed(&mut self) -> Result<()> {
        let mut packet = ffmpeg::Packet::empty();
        while packets::read(&mut packet, &mut self.input, &self.path)? {
            if packet.stream() == self.stream {
                let sent = self.decoder.send_packet(&packet);
                return sent.map_err(|error| Error::video(&self.path, "decoding a packet", error));
            }
        }
        self.draining = true;
        self.decoder.send_eof().map_err(|error| Error::video(&self.path, "ending the stream", error))
    }
}

impl Decoded {
    fn none() -> Self {
        Decoded { secs: None, duration_secs: 0.0, frame: ffmpeg::frame::Video::empty() }
    }
}

/// Frames a second and frames, from the header where it tells, from the packets where it does not (live recordings,
/// Matroska, trimmed files).
fn rate_and_length(stream: &ffmpeg::Stream<'_>, path: &Path) -> Result<(f64, usize)> {
    let rates = [f64::from(stream.avg_frame_rate()), f64::from(stream.rate())];
    let fps = rates.into_iter().find(|rate| rate.is_finite() && *rate > 0.0);
    let duration_secs = stream.duration().max(0) as f64 * f64::from(stream.time_base());
    match (fps, stream.frames()) {
        // Where the two agree there is no edit list that hides frames, and nothing needs to be read.
        (Some(fps), counted) if counted > 0 && (counted as f64 - duration_secs * fps).abs() < 1.5 => {
            Ok((fps, counted as usize))
        }
        (fps, _) => {
            let times = packets::frame_times(path)?;
            let last_secs = times.last().copied().unwrap_or(0.0);
            let fps = fps.or((last_secs > 0.0).then(|| (times.len() - 1) as f64 / last_secs));
            let fps = fps.ok_or_else(|| Error::video(path, "opening the video", "it has no frame rate"))?;
            // Counted at the average rate: with a variable one, frames are not what time is made of.
            let frames = if times.is_empty() { 0 } else { (last_secs * fps).round() as usize + 1 };
            Ok((fps, frames))
        }
    }
}
