//! Writes one video file, frame by frame.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::software::scaling;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame::Frame;

/// How videos are compressed; the defaults are LeRobot's (interfaces b.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VideoOptions {
    /// The codec.
    pub codec: VideoCodec,
    /// Frames from one key frame to the next: small for random access, large for small files.
    #[schemars(range(min = 1))]
    pub gop: u32,
    /// Constant rate factor: 0 is best, 63 (AV1, VP9) or 51 (H.264, HEVC) worst.
    #[schemars(range(max = 63))]
    pub crf: u32,
}

impl Default for VideoOptions {
    fn default() -> Self {
        VideoOptions { codec: VideoCodec::Av1, gop: 2, crf: 30 }
    }
}

/// The codecs that datasets use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// AV1 by SVT-AV1.
    #[default]
    Av1,
    /// H.264 by x264.
    H264,
    /// HEVC by x265.
    Hevc,
    /// VP9 by libvpx.
    Vp9,
}

impl VideoCodec {
    /// FFmpeg's name of the codec, as in LeRobot's `video.codec`.
    pub fn name(self) -> &'static str {
        match self {
            VideoCodec::Av1 => "av1",
            VideoCodec::H264 => "h264",
            VideoCodec::Hevc => "hevc",
            VideoCodec::Vp9 => "vp9",
        }
    }

    fn encoder(self) -> &'static str {
        match self {
            VideoCodec::Av1 => "libsvtav1",
            VideoCodec::H264 => "libx264",
            VideoCodec::Hevc => "libx265",
            VideoCodec::Vp9 => "libvpx-vp9",
        }
    }

    /// The codec of this name, if it can be written.
    pub fn from_name(name: &str) -> Option<Self> {
        let codecs = [VideoCodec::Av1, VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Vp9];
        codecs.into_iter().find(|codec| codec.name() == name && codec.is_available())
    }

    /// Whether this FFmpeg can write it.
    pub fn is_available(self) -> bool {
        ffmpeg::encoder::find_by_name(self.encoder()).is_some()
    }

    /// Fast settings of each encoder.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            VideoCodec::Av1 => &[("preset", "12")],
            VideoCodec::H264 => &[("preset", "veryfast")],
            VideoCodec::Hevc => &[("preset", "veryfast"), ("x265-params", "log-level=none")],
            VideoCodec::Vp9 => &[("deadline", "realtime"), ("cpu-used", "6"), ("b", "0")],
        }
    }

    /// The worst quality.
    fn max_crf(self) -> u32 {
        if matches!(self, VideoCodec::Av1 | VideoCodec::Vp9) { 63 } else { 51 }
    }

    /// The smallest side that the encoder takes, in pixels.
    fn min_side(self) -> usize {
        if self == VideoCodec::Av1 { 64 } else { 16 }
    }
}

/// An MP4 file that is being written. Nothing is readable before [`VideoEncoder::finish`].
pub struct VideoEncoder {
    path: PathBuf,
    output: ffmpeg::format::context::Output,
    encoder: ffmpeg::codec::encoder::video::Encoder,
    scaler: scaling::Context,
    rgb: ffmpeg::frame::Video,
    yuv: ffmpeg::frame::Video,
    frame_ticks: ffmpeg::Rational,
    stream_ticks: ffmpeg::Rational,
    written: usize,
    /// Held while everything above goes.
    closing: Option<MutexGuard<'static, ()>>,
}

// SAFETY: the scaler is a libswscale context, which may move between threads; `&mut` keeps users apart. The guard is there
// only within `drop`.
unsafe impl Send for VideoEncoder {}

/// Held while an encoder opens or closes. SVT-AV1 keeps the machine's processors in a variable of the process, which each
/// encoder writes when it opens and frees when it closes: two at the same time end the program (seen with 1.4.1).
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for VideoEncoder {
    fn drop(&mut self) {
        self.closing = Some(one_at_a_time());
    }
}

impl VideoEncoder {
    /// Begins the file at `path` for pictures of `width`×`height` pixels, `fps` of them a second.
    ///
    /// # Errors
    /// [`Error::Video`] if the codec is not available or does not take this size.
    pub fn create(path: &Path, width: usize, height: usize, fps: u32, options: VideoOptions) -> Result<Self> {
        super::init(path)?;
        check_encodable(path, width, height, options)?;
        let fault = |doing: &'static str| move |error: ffmpeg::Error| Error::video(path, doing, error);
        let name = options.codec.encoder();
        let codec = ffmpeg::encoder::find_by_name(name)
            .ok_or_else(|| Error::video(path, "creating the video", format!("FFmpeg was built without {name}")))?;

        let _opening = one_at_a_time();
        let mut output =
            ffmpeg::format::output_as(&super::file_name(path)?, "mp4").map_err(fault("creating the video"))?;
        let frame_ticks = ffmpeg::Rational(1, fps as i32);
        let mut settings =
            encoder_settings(codec, width, height, fps, options).map_err(fault("creating the encoder"))?;
        if output.format().flags().contains(ffmpeg::format::Flags::GLOBAL_HEADER) {
            settings.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER);
        }
        let mut private = ffmpeg::Dictionary::new();
        private.set("crf", &options.crf.to_string());
        options.codec.settings().iter().for_each(|(key, value)| private.set(key, value));
        let encoder = settings.open_with(private).map_err(fault("opening the encoder"))?;

        let mut stream = output.add_stream(codec).map_err(fault("adding the stream"))?;
        stream.set_parameters(&encoder);
        stream.set_time_base(frame_ticks);
        stream.set_avg_frame_rate(ffmpeg::Rational(fps as i32, 1));
        super::concat::write_header(&mut output).map_err(fault("writing the header"))?;
        let stream_ticks = output.stream(0).map_or(frame_ticks, |stream| stream.time_base());

        let scaler = rgb_to_yuv(width as u32, height as u32).map_err(fault("creating the colour conversion"))?;
        Ok(VideoEncoder {
            path: path.to_path_buf(),
            output,
            encoder,
            scaler,
            rgb: ffmpeg::frame::Video::new(ffmpeg::format::Pixel::RGB24, width as u32, height as u32),
            yuv: ffmpeg::frame::Video::new(ffmpeg::format::Pixel::YUV420P, width as u32, height as u32),
            frame_ticks,
            stream_ticks,
            written: 0,
            closing: None,
        })
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has another size than the video, [`Error::Video`] if encoding fails.
    pub fn push(&mut self, frame: &Frame) -> Result<()> {
        let (width, height) = (self.rgb.width() as usize, self.rgb.height() as usize);
        if (frame.width(), frame.height()) != (width, height) {
            return Err(Error::Invalid(format!(
                "a frame of {}×{} pixels in a video of {width}×{height}: {}",
                frame.width(),
                frame.height(),
                self.path.display()
            )));
        }
        let stride = self.rgb.stride(0);
        let data = self.rgb.data_mut(0);
        for (row, line) in frame.pixels().chunks_exact(width * 3).enumerate() {
            data[row * stride..row * stride + width * 3].copy_from_slice(line);
        }
        // The encoder may still hold the last picture, so each frame gets a buffer of its own.
        self.yuv = ffmpeg::frame::Video::empty();
        self.scaler.run(&self.rgb, &mut self.yuv).map_err(|error| Error::video(&self.path, "converting", error))?;
        self.yuv.set_pts(Some(self.written as i64));
        self.encoder.send_frame(&self.yuv).map_err(|error| Error::video(&self.path, "encoding", error))?;
        self.written += 1;
        self.drain()
    }

    /// Frames appended so far.
    pub fn frames(&self) -> usize {
        self.written
    }

    /// Completes the file.
    ///
    /// # Errors
    /// [`Error::Video`] if the rest cannot be encoded or written.
    pub fn finish(mut self) -> Result<()> {
        self.encoder.send_eof().map_err(|error| Error::video(&self.path, "ending the stream", error))?;
        self.drain()?;
        self.output.write_trailer().map_err(|error| Error::video(&self.path, "writing the trailer", error))
    }

    fn drain(&mut self) -> Result<()> {
        let mut packet = ffmpeg::Packet::empty();
        loop {
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::util::error::EAGAIN => return Ok(()),
                Err(error) => return Err(Error::video(&self.path, "encoding", error)),
            }
            packet.set_stream(0);
            packet.set_duration(1);
            packet.rescale_ts(self.frame_ticks, self.stream_ticks);
            packet
                .write_interleaved(&mut self.output)
                .map_err(|error| Error::video(&self.path, "writing a packet", error))?;
        }
    }
}

/// What an encoder is told about the pictures, but for what is the codec's own.
fn encoder_settings(
    codec: ffmpeg::Codec,
    width: usize,
    height: usize,
    fps: u32,
    options: VideoOptions,
) -> Result<ffmpeg::codec::encoder::video::Video, ffmpeg::Error> {
    let mut settings = ffmpeg::codec::Context::new_with_codec(codec).encoder().video()?;
    settings.set_width(width as u32);
    settings.set_height(height as u32);
    settings.set_format(ffmpeg::format::Pixel::YUV420P);
    settings.set_time_base(ffmpeg::Rational(1, fps as i32));
    settings.set_frame_rate(Some(ffmpeg::Rational(fps as i32, 1)));
    settings.set_gop(options.gop);
    settings.set_max_b_frames(0);
    settings.set_colorspace(ffmpeg::color::Space::SMPTE170M);
    settings.set_color_range(ffmpeg::color::Range::MPEG);
    Ok(settings)
}

fn rgb_to_yuv(width: u32, height: u32) -> Result<scaling::Context, ffmpeg::Error> {
    scaling::Context::get(
        ffmpeg::format::Pixel::RGB24,
        width,
        height,
        ffmpeg::format::Pixel::YUV420P,
        width,
        height,
        scaling::Flags::BILINEAR | scaling::Flags::ACCURATE_RND,
    )
}

fn check_encodable(path: &Path, width: usize, height: usize, options: VideoOptions) -> Result<()> {
    let codec = options.codec;
    if options.crf > codec.max_crf() {
        let reason = format!("crf {}: {} ends at {}", options.crf, codec.name(), codec.max_crf());
        return Err(Error::video(path, "creating the video", reason));
    }
    let min_side = codec.min_side();
    if width < min_side || height < min_side {
        let reason = format!(
            "{width}×{height} pixels: {} needs at least {min_side}×{min_side} (h264 takes smaller ones, stored pictures any: --codec h264, --images)",
            codec.name()
        );
        return Err(Error::video(path, "creating the video", reason));
    }
    if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
        let reason = format!("{width}×{height} pixels: yuv420p needs even sizes (stored pictures take any: --images)");
        return Err(Error::video(path, "creating the video", reason));
    }
    Ok(())
}
