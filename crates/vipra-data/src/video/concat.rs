//! Joins videos without decoding them.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;

use super::packets;
use crate::error::{Error, Result};

/// What must be equal for videos to be joined: a decoder is set up once, from the first one's header.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoKind {
    codec: ffmpeg::codec::Id,
    width: i32,
    height: i32,
    format: i32,
    extradata: Vec<u8>,
}

impl VideoKind {
    /// Reads the header of a video.
    ///
    /// # Errors
    /// [`Error::Video`] if it cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        Ok(open(path)?.2)
    }
}

/// Joins the videos of `parts`, one after the other, into `output` (MP4, index in front). Each part is a path and its
/// duration in seconds; the next part begins where that duration ends.
///
/// # Errors
/// [`Error::Video`] if a part cannot be read, is not of the kind of the first, or the output cannot be written.
pub fn concat(parts: &[(PathBuf, f64)], output: &Path) -> Result<()> {
    let Some((first, _)) = parts.first() else {
        return Err(Error::Invalid(format!("no videos to join into {}", output.display())));
    };
    super::init(output)?;
    let mut writer = ffmpeg::format::output_as(&super::file_name(output)?, "mp4")
        .map_err(|error| Error::video(output, "creating the video", error))?;
    let kind = add_stream_like(first, &mut writer)?;
    write_header(&mut writer).map_err(|error| Error::video(output, "writing the header", error))?;
    let ticks = writer.stream(0).map_or(ffmpeg::Rational(1, 1), |stream| stream.time_base());

    let mut offset_secs = 0.0;
    for (part, duration_secs) in parts {
        append(part, &kind, offset_secs, ticks, &mut writer)?;
        offset_secs += duration_secs;
    }
    writer.write_trailer().map_err(|error| Error::video(output, "writing the trailer", error))
}

fn open(path: &Path) -> Result<(ffmpeg::format::context::Input, usize, VideoKind)> {
    let input = packets::open(path)?;
    let stream = packets::video_stream(&input, path)?;
    let index = stream.index();
    let parameters = stream.parameters();
    // SAFETY: the parameters belong to `input`, which is alive; their extradata is as long as they say, and is copied.
    let kind = unsafe {
        let raw = &*parameters.as_ptr();
        let extradata = match raw.extradata.is_null() {
            true => Vec::new(),
            false => std::slice::from_raw_parts(raw.extradata, raw.extradata_size.max(0) as usize).to_vec(),
        };
        VideoKind { codec: parameters.id(), width: raw.width, height: raw.height, format: raw.format, extradata }
    };
    Ok((input, index, kind))
}

fn add_stream_like(first: &Path, writer: &mut ffmpeg::format::context::Output) -> Result<VideoKind> {
    let (input, index, kind) = open(first)?;
    let source =
        input.stream(index).ok_or_else(|| Error::video(first, "opening the video", "its stream has vanished"))?;
    let mut stream = writer
        .add_stream(ffmpeg::encoder::find(ffmpeg::codec::Id::None))
        .map_err(|error| Error::video(first, "copying the stream", error))?;
    stream.set_parameters(source.parameters());
    // The tag names the codec within one container format; zero lets the muxer choose its own.
    // SAFETY: the parameters belong to the stream just added, which nobody else holds.
    unsafe {
        (*stream.parameters().as_mut_ptr()).codec_tag = 0;
    }
    stream.set_time_base(source.time_base());
    stream.set_avg_frame_rate(source.avg_frame_rate());
    Ok(kind)
}

fn append(
    part: &Path,
    kind: &VideoKind,
    offset_secs: f64,
    ticks: ffmpeg::Rational,
    writer: &mut ffmpeg::format::context::Output,
) -> Result<()> {
    let (mut input, index, found) = open(part)?;
    if found != *kind {
        return Err(Error::video(part, "joining videos", "codec, size or coding parameters differ from the first's"));
    }
    let (part_ticks, start) = match input.stream(index) {
        Some(stream) if stream.start_time() != ffmpeg::ffi::AV_NOPTS_VALUE => (stream.time_base(), stream.start_time()),
        Some(stream) => (stream.time_base(), 0),
        None => (ticks, 0),
    };
    let offset = (offset_secs / f64::from(ticks)).round() as i64;
    while let Some(mut packet) = packets::next(&mut input, index, part)? {
        packet.set_pts(packet.pts().map(|tick| tick - start));
        packet.set_dts(packet.dts().map(|tick| tick - start));
        packet.rescale_ts(part_ticks, ticks);
        packet.set_pts(packet.pts().map(|tick| tick + offset));
        packet.set_dts(packet.dts().map(|tick| tick + offset));
        packet.set_position(-1);
        packet.set_stream(0);
        packet.write_interleaved(writer).map_err(|error| Error::video(part, "copying a packet", error))?;
    }
    Ok(())
}

/// Puts the index before the data, so that a reader finds it with its first read.
pub(super) fn write_header(output: &mut ffmpeg::format::context::Output) -> Result<(), ffmpeg::Error> {
    let mut options = ffmpeg::Dictionary::new();
    options.set("movflags", "faststart");
    output.write_header_with(options).map(drop)
}
