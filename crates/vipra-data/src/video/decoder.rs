//! Random access to the frames of one video file.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;
use ffmpeg_next::software::scaling;

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
    draining: bool,
    ended: bool,
    /// The next frame decoded, or `current`, is the first of the stream.
    next_is_first: bool,
    current_is_first: bool,
    converter: Converter,
}

/// A decoded frame and its time; `None` while there is none.
struct Decoded {
    secs: Option<f64>,
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

        let seconds_per_tick = f64::from(stream.time_base());
        let fps = match (f64::from(stream.avg_frame_rate()), f64::from(stream.rate())) {
            (average, _) if average.is_finite() && average > 0.0 => average,
            (_, nominal) if nominal.is_finite() && nominal > 0.0 => nominal,
            _ => return Err(Error::video(path, "opening the video", "it has no frame rate")),
        };
        let duration_secs = match stream.duration() {
            ticks if ticks > 0 => ticks as f64 * seconds_per_tick,
            _ => input.duration().max(0) as f64 / f64::from(ffi::AV_TIME_BASE),
        };
        let frames = match stream.frames() {
            counted if counted > 0 => counted as usize,
            _ => (duration_secs * fps).round() as usize,
        };
        let info = VideoInfo {
            codec: decoder.codec().map_or_else(|| "unknown".to_owned(), |_| decoder.id().name().to_owned()),
            pixel_format: decoder.format().descriptor().map_or_else(|| "unknown".to_owned(), |d| d.name().to_owned()),
            width: decoder.width() as usize,
            height: decoder.height() as usize,
            fps,
            frames,
        };
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
            draining: false,
            ended: false,
            next_is_first: true,
            current_is_first: false,
            converter: Converter::default(),
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
    /// time. Ascending times are fastest. A time beyond the end gives the last frame: compare the times where that
    /// matters.
    ///
    /// # Errors
    /// [`Error::Video`] if decoding fails, and whatever `take` returns.
    pub fn frames_at(
        &mut self,
        times_secs: &[f64],
        mut take: impl FnMut(usize, f64, &Frame) -> Result<()>,
    ) -> Result<()> {
        let mut picture = std::mem::take(&mut self.converter.picture);
        let mut converted: Option<f64> = None;
        let outcome = times_secs.iter().enumerate().try_for_each(|(number, &wanted)| {
            let choice = self.find(wanted)?;
            let VideoDecoder { current, previous, converter, path, .. } = self;
            let decoded = if choice == Choice::Current { current } else { previous };
            let secs = decoded.secs.unwrap_or(wanted);
            if converted != Some(secs) {
                converter.convert(&decoded.frame, &mut picture, path)?;
                converted = Some(secs);
            }
            take(number, secs, &picture)
        });
        self.converter.picture = picture;
        outcome
    }

    /// Decodes the next frame without converting it and returns its time, or `None` at the end.
    ///
    /// # Errors
    /// [`Error::Video`] if decoding fails.
    pub fn next_time(&mut self) -> Result<Option<f64>> {
        self.advance()?;
        Ok(if self.ended { None } else { self.current.secs })
    }

    /// Moves to the frame nearest to `wanted` and says where it is held.
    fn find(&mut self, wanted: f64) -> Result<Choice> {
        if let Some(choice) = self.held(wanted) {
            return Ok(choice);
        }
        if self.should_seek(wanted) {
            self.seek_before(wanted)?;
        }
        loop {
            if let Some(choice) = self.held(wanted) {
                return Ok(choice);
            }
            if self.ended {
                return Err(Error::video(&self.path, "decoding", "it holds no frame"));
            }
            self.advance()?;
        }
    }

    /// Which of the frames in hand answers for `wanted`, if one does.
    fn held(&self, wanted: f64) -> Option<Choice> {
        let current = self.current.secs?;
        let half = 0.5 / self.info.fps;
        if (current - wanted).abs() <= half {
            return Some(Choice::Current);
        }
        if current > wanted {
            if self.current_is_first {
                return Some(Choice::Current);
            }
            let previous = self.previous.secs?;
            // With a variable rate the frame before is still shown at `wanted`.
            return (previous <= wanted + half).then_some(Choice::Previous);
        }
        self.ended.then_some(Choice::Current)
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
        let tick = self.tick(wanted);
        let stream = self.input.stream(self.stream)?;
        // SAFETY: the stream belongs to `self.input`, which outlives this call; the entry is only read here, before
        // anything else can change the index.
        let entry = unsafe {
            let entry = ffi::avformat_index_get_entry_from_timestamp(
                stream.as_ptr().cast_mut(),
                tick,
                ffi::AVSEEK_FLAG_BACKWARD,
            );
            entry.as_ref()?.timestamp
        };
        Some((entry - self.start_tick) as f64 * self.seconds_per_tick)
    }

    fn tick(&self, secs: f64) -> i64 {
        self.start_tick + ((secs + 0.1 / self.info.fps) / self.seconds_per_tick).floor() as i64
    }

    /// Seeks so that the next frame decoded is at or before `wanted`. Indices are in decoding order, so with
    /// reordered frames a seek can land late: then it is tried again from further back.
    fn seek_before(&mut self, wanted: f64) -> Result<()> {
        let mut back_secs = 0.0;
        loop {
            let target = (wanted - back_secs).max(0.0);
            self.seek(target)?;
            self.advance()?;
            let early_enough = self.current.secs.is_some_and(|secs| secs <= wanted + 0.5 / self.info.fps);
            if early_enough || target == 0.0 {
                return Ok(());
            }
            back_secs = if back_secs == 0.0 { 1.0 } else { back_secs * 4.0 };
        }
    }

    fn seek(&mut self, target: f64) -> Result<()> {
        let base = self.start_tick as f64 * self.seconds_per_tick;
        let micros = ((base + target + 0.1 / self.info.fps) * f64::from(ffi::AV_TIME_BASE)).floor() as i64;
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
        std::mem::swap(&mut self.current, &mut self.previous);
        loop {
            match self.decoder.receive_frame(&mut self.current.frame) {
                Ok(()) => break,
                Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::util::error::EAGAIN && !self.draining => {
                    self.feed()?;
                }
                Err(ffmpeg::Error::Eof) => {
                    std::mem::swap(&mut self.current, &mut self.previous);
                    self.ended = true;
                    return Ok(());
                }
                Err(error) => return Err(Error::video(&self.path, "decoding", error)),
            }
        }
        let tick = self.current.frame.timestamp().or_else(|| self.current.frame.pts());
        let secs = match tick {
            Some(tick) => (tick - self.start_tick) as f64 * self.seconds_per_tick,
            None => self.previous.secs.map_or(0.0, |secs| secs + 1.0 / self.info.fps),
        };
        self.current.secs = Some(secs);
        self.current_is_first = std::mem::take(&mut self.next_is_first);
        Ok(())
    }

    /// Gives the decoder the stream's next packet, or the end of the stream.
    fn feed(&mut self) -> Result<()> {
        let mut packet = ffmpeg::Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.stream => {}
                Ok(()) => {
                    return self
                        .decoder
                        .send_packet(&packet)
                        .map_err(|error| Error::video(&self.path, "decoding a packet", error));
                }
                Err(ffmpeg::Error::Eof) => {
                    self.draining = true;
                    return self
                        .decoder
                        .send_eof()
                        .map_err(|error| Error::video(&self.path, "ending the stream", error));
                }
                Err(error) => return Err(Error::video(&self.path, "reading a packet", error)),
            }
        }
    }
}

impl Decoded {
    fn none() -> Self {
        Decoded { secs: None, frame: ffmpeg::frame::Video::empty() }
    }
}

/// Colour conversion to RGB, by libswscale; kept as long as size and format stay the same.
#[derive(Default)]
struct Converter {
    scaler: Option<(scaling::Context, ColorSpace)>,
    rgb: Option<ffmpeg::frame::Video>,
    picture: Frame,
}

// SAFETY: a libswscale context may be used from any thread, by one at a time; `&mut` sees to that.
unsafe impl Send for Converter {}

#[derive(Clone, Copy, PartialEq)]
struct ColorSpace {
    matrix: i32,
    full_range: bool,
}

impl Converter {
    fn convert(&mut self, frame: &ffmpeg::frame::Video, picture: &mut Frame, path: &Path) -> Result<()> {
        let (width, height) = (frame.width(), frame.height());
        check_size(u64::from(width), u64::from(height), path)?;
        let fault = |error| Error::video(path, "converting to RGB", error);

        let definition = scaling::context::Definition { format: frame.format(), width, height };
        let space = ColorSpace::of(frame);
        let reusable = matches!(&self.scaler, Some((scaler, of)) if *scaler.input() == definition && *of == space);
        if !reusable {
            let mut scaler = scaling::Context::get(
                frame.format(),
                width,
                height,
                ffmpeg::format::Pixel::RGB24,
                width,
                height,
                scaling::Flags::BILINEAR,
            )
            .map_err(fault)?;
            space.apply(&mut scaler);
            self.scaler = Some((scaler, space));
            self.rgb = Some(ffmpeg::frame::Video::empty());
        }
        let (Some((scaler, _)), Some(rgb)) = (&mut self.scaler, &mut self.rgb) else { return Ok(()) };
        scaler.run(frame, rgb).map_err(fault)?;

        let (width, height) = (width as usize, height as usize);
        picture.reshape(width, height);
        let (stride, data) = (rgb.stride(0), rgb.data(0));
        for (row, line) in picture.pixels_mut().chunks_exact_mut(width * 3).enumerate() {
            line.copy_from_slice(&data[row * stride..row * stride + width * 3]);
        }
        Ok(())
    }
}

impl ColorSpace {
    /// The matrix of the frame, or BT.601 where the video does not say.
    fn of(frame: &ffmpeg::frame::Video) -> Self {
        let matrix = match frame.color_space() {
            ffmpeg::color::Space::BT709 => ffi::SWS_CS_ITU709,
            ffmpeg::color::Space::BT2020NCL | ffmpeg::color::Space::BT2020CL => ffi::SWS_CS_BT2020,
            ffmpeg::color::Space::SMPTE240M => ffi::SWS_CS_SMPTE240M,
            ffmpeg::color::Space::FCC => ffi::SWS_CS_FCC,
            _ => ffi::SWS_CS_DEFAULT,
        };
        ColorSpace { matrix, full_range: frame.color_range() == ffmpeg::color::Range::JPEG }
    }

    fn apply(self, scaler: &mut scaling::Context) {
        // SAFETY: the tables are constants of libswscale, the context is alive; formats without a matrix (RGB, palette)
        // make the call return an error that has nothing to tell.
        unsafe {
            let table = ffi::sws_getCoefficients(self.matrix);
            let one = 1 << 16;
            ffi::sws_setColorspaceDetails(
                scaler.as_mut_ptr(),
                table,
                i32::from(self.full_range),
                table,
                1,
                0,
                one,
                one,
            );
        }
    }
}
