//! Videos as other programs write them: reordered frames in containers without an index, edit lists, files that begin in
//! the middle, rates that are not said, names that FFmpeg does not take.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::Id;
use vipra_data::Frame;
use vipra_data::video::{VideoDecoder, is_regular};

use crate::common::{fixture, open};

const FRAMES: i64 = 100;
const FPS: i32 = 30;

/// How a video of [`FRAMES`] numbered pictures is written.
struct Written {
    format: &'static str,
    codec: Id,
    /// Between two frames that are not reordered.
    b_frames: usize,
    /// Frames before time 0, which an edit list hides.
    before: i64,
    /// When a frame is shown; without it, [`FPS`] of them are shown a second, and the file says so.
    millis: Option<fn(i64) -> i64>,
}

impl Written {
    fn new(format: &'static str, codec: Id) -> Self {
        Written { format, codec, b_frames: 2, before: 0, millis: None }
    }

    fn to(&self, path: &Path) {
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let ticks = if self.millis.is_some() { ffmpeg::Rational(1, 1000) } else { ffmpeg::Rational(1, FPS) };
        let mut output = ffmpeg::format::output_as(path, self.format).unwrap();
        let global_header = output.format().flags().contains(ffmpeg::format::Flags::GLOBAL_HEADER);
        let mut encoder = self.encoder(ticks, global_header);
        let stream_ticks = self.begin(&mut output, &encoder, ticks);
        let mut packet = ffmpeg::Packet::empty();
        for number in 0..=FRAMES {
            if number < FRAMES {
                let mut picture = numbered(number);
                picture.set_pts(Some(self.millis.map_or(number, |millis| millis(number))));
                encoder.send_frame(&picture).unwrap();
            } else {
                encoder.send_eof().unwrap();
            }
            while encoder.receive_packet(&mut packet).is_ok() {
                packet.set_stream(0);
                if self.millis.is_none() {
                    packet.set_duration(1);
                }
                packet.set_pts(packet.pts().map(|tick| tick - self.before));
                packet.set_dts(packet.dts().map(|tick| tick - self.before));
                packet.rescale_ts(ticks, stream_ticks);
                packet.write_interleaved(&mut output).unwrap();
            }
        }
        output.write_trailer().unwrap();
    }

    fn encoder(&self, ticks: ffmpeg::Rational, global_header: bool) -> ffmpeg::codec::encoder::video::Encoder {
        let codec = ffmpeg::encoder::find(self.codec).unwrap();
        let mut settings = ffmpeg::codec::Context::new_with_codec(codec).encoder().video().unwrap();
        settings.set_width(64);
        settings.set_height(64);
        settings.set_format(ffmpeg::format::Pixel::YUV420P);
        settings.set_time_base(ticks);
        if self.millis.is_none() {
            settings.set_frame_rate(Some(ffmpeg::Rational(FPS, 1)));
        }
        settings.set_gop(12);
        settings.set_max_b_frames(self.b_frames);
        settings.set_bit_rate(2_000_000);
        if global_header {
            settings.set_flags(ffmpeg::codec::Flags::GLOBAL_HEADER);
        }
        settings.open().unwrap()
    }

    /// Adds the stream, writes the header and says what the container's ticks are.
    fn begin(
        &self,
        output: &mut ffmpeg::format::context::Output,
        encoder: &ffmpeg::codec::encoder::video::Encoder,
        ticks: ffmpeg::Rational,
    ) -> ffmpeg::Rational {
        let mut stream = output.add_stream(ffmpeg::encoder::find(self.codec)).unwrap();
        stream.set_parameters(encoder);
        stream.set_time_base(ticks);
        if self.millis.is_none() {
            stream.set_avg_frame_rate(ffmpeg::Rational(FPS, 1));
        }
        let mut options = ffmpeg::Dictionary::new();
        if self.before > 0 {
            options.set("avoid_negative_ts", "disabled");
        }
        output.write_header_with(options).map(drop).unwrap();
        output.stream(0).unwrap().time_base()
    }
}

/// A picture that says its number: sixteen squares of 16×16 pixels, a bit each.
fn numbered(number: i64) -> ffmpeg::frame::Video {
    let mut picture = ffmpeg::frame::Video::new(ffmpeg::format::Pixel::YUV420P, 64, 64);
    let stride = picture.stride(0);
    for (at, level) in picture.data_mut(0).iter_mut().enumerate() {
        let bit = at / stride / 16 * 4 + (at % stride / 16).min(3);
        *level = if (number >> bit) & 1 == 1 { 230 } else { 20 };
    }
    (1..3).for_each(|plane| picture.data_mut(plane).fill(128));
    picture
}

fn number_of(frame: &Frame) -> usize {
    let is_set = |bit: &usize| frame.pixel(bit % 4 * 16 + 8, bit / 4 * 16 + 8)[0] > 120;
    (0..16).filter(is_set).map(|bit| 1_usize << bit).sum()
}

/// The numbers of the pictures at these times, and the pictures' own times.
fn numbers_at(decoder: &mut VideoDecoder, times: &[f64]) -> Vec<(usize, f64)> {
    let mut found = Vec::new();
    decoder
        .frames_at(times, |_, secs, frame| {
            found.push((number_of(frame), secs));
            Ok(())
        })
        .unwrap();
    found
}

/// Asks for frames, whole ones and between them, in several orders, of one decoder and of new ones; `first` is the number
/// of the frame at time 0.
fn expect_numbers_in_any_order(path: &Path, first: usize, frames: usize) {
    let last = (frames - 1) as f64;
    let mut kept = VideoDecoder::open(path).unwrap();
    let orders: [Vec<f64>; 4] = [
        (0..frames).map(|frame| frame as f64).collect(),
        (0..frames).rev().step_by(3).map(|frame| frame as f64).collect(),
        vec![last, 0.0, last - 1.0, 1.0, 50.0, 49.0, 51.0, 12.0, 11.0, last - 3.0, 2.0, last, 24.0, 23.0],
        // Between frames; the picture of the second is that of the first, even if decoding begins again in between.
        vec![9.4, 8.6, 0.4, last - 0.4, 5.6, 5.4, 36.6, 36.4, last - 0.6],
    ];
    for order in orders {
        let times: Vec<f64> = order.iter().map(|frame| frame / f64::from(FPS)).collect();
        for decoder in [&mut kept, &mut VideoDecoder::open(path).unwrap()] {
            for (wanted, (found, secs)) in order.iter().zip(numbers_at(decoder, &times)) {
                let nearest = wanted.round();
                assert_eq!(found, first + nearest as usize, "{}: frame {wanted}", path.display());
                // Matroska has milliseconds.
                assert!((secs - nearest / f64::from(FPS)).abs() < 1e-3, "{}: {wanted} at {secs} s", path.display());
            }
        }
    }
}

#[test]
fn reordered_frames_are_found_in_any_order_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format, codec) in [
        ("a.avi", "avi", Id::MPEG4),
        ("b.mkv", "matroska", Id::MPEG4),
        ("c.mp4", "mp4", Id::MPEG4),
        ("d.mpg", "mpeg", Id::MPEG2VIDEO),
        ("e.ts", "mpegts", Id::MPEG2VIDEO),
        ("f.ts", "mpegts", Id::MPEG4),
    ] {
        Written::new(format, codec).to(&folder.path().join(name));
    }
    let source = open(folder.path());
    assert_eq!(source.episodes().len(), 6);
    for episode in source.episodes() {
        let (length, fps) = (episode.length, episode.fps);
        assert!(length == 100 && (fps - 30.0).abs() < 1e-6, "{}: {length} at {fps}", episode.name);
        expect_numbers_in_any_order(&folder.path().join(&episode.name), 0, length);
    }
}

#[test]
fn what_an_edit_list_hides_is_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, trimmed) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
    Written::new("mp4", Id::MPEG4).to(&whole);
    Written { before: 15, ..Written::new("mp4", Id::MPEG4) }.to(&trimmed);
    let lengths: Vec<usize> = open(folder.path()).episodes().iter().map(|episode| episode.length).collect();
    assert_eq!(lengths, [100, 85]);
    expect_numbers_in_any_order(&trimmed, 15, 85);
    assert!(is_regular(&whole, 100, f64::from(FPS)).unwrap());
    // Taken over as it is, the hidden frames would come along.
    assert!(!is_regular(&trimmed, 85, f64::from(FPS)).unwrap());
}

/// The last three fifths of a file's bytes, as if recording had begun in the middle.
fn cut(path: &Path) -> PathBuf {
    let bytes = std::fs::read(path).unwrap();
    let name = format!("cut-{}", path.file_name().unwrap().display());
    let cut = path.with_file_name(name);
    std::fs::write(&cut, &bytes[bytes.len() * 2 / 5..]).unwrap();
    cut
}

#[test]
fn streams_that_begin_between_key_frames_are_read_to_their_end() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [("a.mpg", "mpeg"), ("a.ts", "mpegts")] {
        let path = folder.path().join(name);
        Written::new(format, Id::MPEG2VIDEO).to(&path);
        let path = cut(&path);
        let mut decoder = VideoDecoder::open(&path).unwrap();
        let (fps, frames) = decoder.length().unwrap();
        let mut times: Vec<f64> = (0..frames).map(|frame| frame as f64 / fps).collect();
        let forth = numbers_at(&mut decoder, &times);
        assert_eq!(forth[frames - 1].0, 99, "{name}: {forth:?}");
        assert_eq!(forth[frames - 20].0, 80, "{name}: {forth:?}");
        times.reverse();
        let mut back = numbers_at(&mut VideoDecoder::open(&path).unwrap(), &times);
        back.reverse();
        assert_eq!(forth, back, "{name}");
    }
}

#[test]
fn frames_are_counted_only_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mkv");
    std::fs::copy(fixture("videos/hevc.mkv"), &path).unwrap();
    let mut decoder = VideoDecoder::open(&path).unwrap();
    assert_eq!(decoder.length().unwrap(), (10.0, 15));
    // An open file can be read on; to count, it would have to be opened again.
    std::fs::remove_file(&path).unwrap();
    decoder.frames_at(&[1.0, 0.2, 1.4], |_, _, _| Ok(())).unwrap();
    assert!(decoder.length().unwrap_err().to_string().contains("a.mkv"));
}

#[test]
fn a_rate_that_is_not_said_comes_from_the_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mkv");
    let millis: fn(i64) -> i64 = |number| number * 50 + number % 3 * 7;
    Written { b_frames: 0, millis: Some(millis), ..Written::new("matroska", Id::FFV1) }.to(&path);
    let source = open(folder.path());
    let (length, fps) = (source.episodes()[0].length, source.episodes()[0].fps);
    assert!(length == 100 && (fps - 20.0).abs() < 1e-6, "{length} at {fps}");

    let times: Vec<f64> = (0..FRAMES).map(|number| millis(number) as f64 / 1e3).collect();
    let mut decoder = VideoDecoder::open(&path).unwrap();
    let found = numbers_at(&mut decoder, &times);
    assert!(found.iter().enumerate().all(|(number, found)| number == found.0), "{found:?}");
    // The last frame is shown as long as the others, whatever FFmpeg guesses, and no longer.
    assert_eq!(numbers_at(&mut decoder, &[4.98])[0].0, 99);
    let error = decoder.frames_at(&[5.2], |_, _, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("no frame at"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStrExt;

    use vipra_data::video::{VideoCodec, VideoEncoder, VideoOptions, concat};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff.mp4"));
    std::fs::copy(fixture("videos/av1.mp4"), &path).unwrap();
    let options = VideoOptions { codec: VideoCodec::H264, gop: 2, crf: 30 };
    for outcome in [
        VideoDecoder::open(&path).map(drop),
        VideoEncoder::create(&path, 64, 64, 10, options).map(drop),
        concat(&[(fixture("videos/av1.mp4"), 1.5)], &path),
        concat(&[(path.clone(), 1.5)], &folder.path().join("b.mp4")),
        is_regular(&path, 15, 10.0).map(drop),
    ] {
        let message = outcome.unwrap_err().to_string();
        assert!(message.contains("UTF-8") && message.contains(".mp4"), "{message}");
    }
}
