//! Random access to the frames of one video file.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;
use ffmpeg_next::format::context::Input;

use super::header::{Header, VideoInfo, open_decoder};
use super::packets;
use super::rgb::Converter;
use crate::error::{Error, Result};
use crate::frame::Frame;

/// What differs by more from the end of the frame before is a gap between two frames of a program stream. What differs by
/// less is a time that FFmpeg gave to a neighbour.
const GAP_SECS: f64 = 0.5;

/// A decoder that stays open and finds frames by their time.
///
/// Times are seconds from the start of the video stream. Going forward decodes on; a jump seeks to the key frame before
/// its target. MPEG program streams (`.mpg`) do not say where their frames are: going back in them decodes again from the
/// beginning. One thread a decoder: what decodes many clips at once has many decoders.
pub struct VideoDecoder {
    path: PathBuf,
    info: VideoInfo,
    header: Header,
    input: Input,
    stream: usize,
    seconds_per_tick: f64,
    start_tick: i64,
    /// Times are certain only from the beginning on, see [`packets::is_program_stream`].
    is_program_stream: bool,
    /// The container says when a packet goes into the decoder, not when its frame is shown (AVI).
    only_decode_times: bool,
    /// The first packet, as long as the decoder was not given any.
    first_packet: Option<ffmpeg::Packet>,
    /// Packets that the decoder was given since the file was opened.
    packets_sent: usize,
    /// The decoder begins anew, with the next key frame.
    needs_key_frame: bool,
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
enum HeldFrame {
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
        let mut input = packets::open(path)?;
        let stream = packets::video_stream(&input, path)?;
        let decoder = open_decoder(&stream, path)?;
        let header = Header::of(&input, &stream);
        let info = header.info(&decoder, path)?;
        let seconds_per_tick = f64::from(stream.time_base());
        let start_tick = packets::start_tick(&stream);
        let stream = stream.index();
        let is_program_stream = packets::is_program_stream(&input);
        let first_packet = packets::next(&mut input, stream, path)?;
        let only_decode_times =
            !is_program_stream && first_packet.as_ref().is_some_and(|packet| packet.pts().is_none());
        let mut opened = VideoDecoder {
            path: path.to_path_buf(),
            info,
            header,
            input,
            stream,
            seconds_per_tick,
            start_tick,
            is_program_stream,
            only_decode_times,
            first_packet,
            packets_sent: 0,
            needs_key_frame: false,
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
        };
        if only_decode_times {
            opened.begin_at_first_frame()?;
        }
        Ok(opened)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the video says about itself.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Frames a second, on average, and the number of frames. Where the header does not tell (live recordings, Matroska,
    /// MPEG, trimmed files) packets are counted, for which the file is read to its end.
    ///
    /// # Errors
    /// [`Error::Video`] if it cannot be read to its end or has no frame rate.
    pub fn length(&self) -> Result<(f64, usize)> {
        self.header.length(&self.path)
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
            let held = self.find(wanted)?;
            let decoded = if held == HeldFrame::Current { &self.current } else { &self.previous };
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
    fn find(&mut self, wanted: f64) -> Result<HeldFrame> {
        if self.nearest_held(wanted).is_none() && self.should_seek(wanted) {
            self.seek_before(wanted)?;
        }
        loop {
            if let Some(held) = self.nearest_held(wanted) {
                self.check_not_past_end(wanted)?;
                return Ok(held);
            }
            if self.ended {
                return Err(Error::video(&self.path, "decoding", "it holds no frame"));
            }
            self.advance()?;
        }
    }

    /// Which of the frames in hand is nearest to `wanted`, if that is certain. Of two equally near, the earlier.
    fn nearest_held(&self, wanted: f64) -> Option<HeldFrame> {
        let current = self.current.secs?;
        let rounding = self.rounding_secs();
        if (current - wanted).abs() <= rounding {
            return Some(HeldFrame::Current);
        }
        if current < wanted {
            return self.ended.then_some(HeldFrame::Current);
        }
        if self.current_is_first {
            return Some(HeldFrame::Current);
        }
        let previous = self.previous.secs.filter(|previous| *previous <= wanted + rounding)?;
        Some(if wanted - previous <= current - wanted { HeldFrame::Previous } else { HeldFrame::Current })
    }

    /// A video that was cut off ends before its container says; the last frame must not stand in for the rest.
    fn check_not_past_end(&self, wanted: f64) -> Result<()> {
        let Some(last) = self.current.secs.filter(|_| self.ended) else { return Ok(()) };
        let is_shown = |fps: f64| wanted <= last + self.current.duration_secs.max(1.0 / fps) + 0.5 / fps;
        // A guessed rate can be far too high. Only the packets tell the right one.
        if is_shown(self.info.fps) || (self.header.fps.is_none() && is_shown(self.length()?.0)) {
            return Ok(());
        }
        Err(Error::FrameTime { wanted_secs: wanted, nearest_secs: last, path: self.path.clone() })
    }

    fn should_seek(&self, wanted: f64) -> bool {
        let Some(current) = self.current.secs else { return !self.is_program_stream && wanted * self.info.fps > 0.5 };
        if current > wanted || self.is_program_stream {
            return current > wanted;
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

    /// Makes `current` a frame at or before `wanted`. A seek can land late: indices are in decoding order, MPEG streams
    /// have none. Then it is tried again from further back, at last from the beginning.
    fn seek_before(&mut self, wanted: f64) -> Result<()> {
        let mut back_secs = 0.0;
        while !self.is_program_stream {
            let target = (wanted - back_secs).max(0.0);
            if !self.seek(target) {
                break;
            }
            self.advance()?;
            if self.current.secs.is_some_and(|secs| secs <= wanted + self.rounding_secs()) {
                return Ok(());
            }
            if target == 0.0 {
                break;
            }
            back_secs = if back_secs == 0.0 { 1.0 } else { back_secs * 4.0 };
        }
        self.restart()
    }

    /// Seeks; false if the container cannot (GIF).
    fn seek(&mut self, target: f64) -> bool {
        let base = self.start_tick as f64 * self.seconds_per_tick;
        let micros = ((base + target + self.rounding_secs()) * f64::from(ffi::AV_TIME_BASE)).floor() as i64;
        if self.input.seek(micros, ..micros).is_err() {
            return false;
        }
        self.decoder.flush();
        self.first_packet = None;
        self.needs_key_frame = true;
        self.current.secs = None;
        self.previous.secs = None;
        self.draining = false;
        self.ended = false;
        self.next_is_first = false;
        true
    }

    /// Begins again, as if nothing had been asked for yet. The picture stays: it may be handed out once more.
    fn restart(&mut self) -> Result<()> {
        let opened = VideoDecoder::open(&self.path)?;
        let picture = std::mem::take(&mut self.picture);
        *self = VideoDecoder { picture, ..opened };
        Ok(())
    }

    /// Decodes the first frame and makes its time 0. Where times are those of decoding, it comes out as much later as the
    /// decoder holds frames back, and all others as well.
    fn begin_at_first_frame(&mut self) -> Result<()> {
        self.advance()?;
        if let Some(tick) = tick_of(&self.current.frame) {
            self.start_tick = tick;
            self.current.secs = Some(0.0);
        }
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
        self.spare.duration_secs = match self.spare.frame.packet().duration {
            ticks if ticks > 0 => ticks as f64 * self.seconds_per_tick,
            _ => 0.0,
        };
        self.spare.secs = self.time_of_spare();
        std::mem::swap(&mut self.previous, &mut self.current);
        std::mem::swap(&mut self.current, &mut self.spare);
        self.current_is_first = std::mem::take(&mut self.next_is_first);
        Ok(())
    }

    /// When the frame decoded into `spare`, the one after `current`, is shown; `None` if that is not certain.
    fn time_of_spare(&self) -> Option<f64> {
        let frame = &self.spare.frame;
        let said = tick_of(frame).map(|tick| (tick - self.start_tick) as f64 * self.seconds_per_tick);
        let Some(current) = self.current.secs else {
            if self.next_is_first {
                return Some(if self.is_program_stream { self.secs_before_first() } else { said.unwrap_or(0.0) });
            }
            // A time that is not in the file is made up by FFmpeg, after a seek not as from the beginning on.
            return said.filter(|_| self.only_decode_times || frame.pts().is_some());
        };
        let next = current + self.secs_of(&self.current);
        match said {
            Some(said) if !self.is_program_stream || (said - next).abs() > GAP_SECS => Some(said),
            _ => Some(next),
        }
    }

    /// How long that lasts which comes before the first frame of a program stream and cannot be decoded: pictures without
    /// the key frame that they stand on.
    fn secs_before_first(&self) -> f64 {
        // SAFETY: the context is that of `self.decoder`, which is alive; one number of it is read.
        let held_back = unsafe { (*self.decoder.as_ptr()).has_b_frames };
        let skipped = self.packets_sent.saturating_sub(1 + held_back.max(0) as usize);
        skipped as f64 * self.secs_of(&self.spare)
    }

    /// How long a frame is shown.
    fn secs_of(&self, decoded: &Decoded) -> f64 {
        if decoded.duration_secs > 0.0 { decoded.duration_secs } else { 1.0 / self.info.fps }
    }

    /// Gives the decoder the stream's next packet, or the end of the stream.
    fn feed(&mut self) -> Result<()> {
        while let Some(packet) = self.next_packet()? {
            // Some decoders make grey pictures of what stands between key frames.
            if self.needs_key_frame && !packet.is_key() {
                continue;
            }
            self.needs_key_frame = false;
            self.packets_sent += 1;
            let sent = self.decoder.send_packet(&packet);
            return sent.map_err(|error| Error::video(&self.path, "decoding a packet", error));
        }
        self.draining = true;
        self.decoder.send_eof().map_err(|error| Error::video(&self.path, "ending the stream", error))
    }

    fn next_packet(&mut self) -> Result<Option<ffmpeg::Packet>> {
        match self.first_packet.take() {
            Some(packet) => Ok(Some(packet)),
            None => packets::next(&mut self.input, self.stream, &self.path),
        }
    }
}

impl Decoded {
    fn none() -> Self {
        Decoded { secs: None, duration_secs: 0.0, frame: ffmpeg::frame::Video::empty() }
    }
}

/// In the stream's ticks, if it is known.
fn tick_of(frame: &ffmpeg::frame::Video) -> Option<i64> {
    frame.timestamp().or_else(|| frame.pts())
}
