//! Joins videos without decoding them.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;

use crate::error::{Error, Result};

/// Joins the videos of `parts`, one after the other, into `output` (MP4, index in front). Each part is a path and its
/// duration in seconds; the next part begins where that duration ends. All parts must share codec and size.
///
/// # Errors
/// [`Error::Video`] if a part cannot be read, differs from the first, or the output cannot be written.
pub fn concat(parts: &[(PathBuf, f64)], output: &Path) -> Result<()> {
    super::init(output)?;
    let Some((first, _)) = parts.first() else {
        return Err(Error::Invalid(format!("no videos to join into {}", output.display())));
    };
    let mut writer =
        ffmpeg::format::output_as(output, "mp4").map_err(|error| Error::video(output, "creating the video", error))?;
    let kind = add_stream_like(first, &mut writer)?;
    write_header(&mut writer).map_err(|error| Error::video(output, "writing the header", error))?;
    let ticks = writer.stream(0).map_or(ffmpeg::Rational(1, 1), |stream| stream.time_base());

    let mut offset_secs = 0.0;
    for (part, duration_secs) in parts {
        append(part, kind, offset_secs, ticks, &mut writer)?;
        offset_secs += duration_secs;
    }
    writer.write_trailer().map_err(|error| Error::video(output, "writing the trailer", error))
}

/// What must be equal for parts to be joined.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kind {
    codec: ffmpeg::codec::Id,
    width: u32,
    height: u32,
}

fn open(path: &Path) -> Result<(ffmpeg::format::context::Input, usize, Kind)> {
    let input = ffmpeg::format::input(path).map_err(|error| Error::video(path, "opening the video", error))?;
    let (index, kind) = {
        let stream = input
            .streams()
            .best(ffmpeg::media::Type::Video)
            .ok_or_else(|| Error::video(path, "opening the video", "it has no video stream"))?;
        let parameters = stream.parameters();
        // SAFETY: the parameters belong to `input`, which is alive; two plain integers are read.
        let (width, height) = unsafe { ((*parameters.as_ptr()).width as u32, (*parameters.as_ptr()).height as u32) };
        (stream.index(), Kind { codec: parameters.id(), width, height })
    };
    Ok((input, index, kind))
}

fn add_stream_like(first: &Path, writer: &mut ffmpeg::format::context::Output) -> Result<Kind> {
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
    kind: Kind,
    offset_secs: f64,
    ticks: ffmpeg::Rational,
    writer: &mut ffmpeg::format::context::Output,
) -> Result<()> {
    let (mut input, index, found) = open(part)?;
    if found != kind {
        let reason = format!("{found:?} differs from the first part's {kind:?}");
        return Err(Error::video(part, "joining videos", reason));
    }
    let part_ticks = input.stream(index).map_or(ticks, |stream| stream.time_base());
    let offset = (offset_secs / f64::from(ticks)).round() as i64;
    for (stream, mut packet) in input.packets() {
        if stream.index() != index {
            continue;
        }
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
