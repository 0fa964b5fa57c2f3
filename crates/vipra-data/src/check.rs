//! Does a dataset hold what it says? Rows against metadata, timestamps, codecs, every frame decoded.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use crate::config::OnError;
use crate::error::{Error, InEpisode, Result};
use crate::source::{OpenOptions, Source, open, readable_rows};
use crate::video::DecoderPool;

/// What was looked at, and what is wrong.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Episodes that were looked at.
    pub episodes: usize,
    /// Frames that were decoded, over all cameras.
    pub frames: usize,
    /// Everything that is wrong, sorted by episode.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The episode, where one is at fault.
    pub episode: Option<usize>,
    /// What is wrong, with feature and path.
    pub problem: String,
}

impl From<&Error> for Finding {
    fn from(error: &Error) -> Self {
        let problem = match error {
            Error::Episode { error, .. } => error.to_string(),
            other => other.to_string(),
        };
        Finding { episode: error.episode(), problem }
    }
}

/// Checks the dataset at `path` with `workers` threads. `progress` is called with (done, all) episodes.
///
/// # Errors
/// Only if there is no dataset at `path`, or its frame rate is missing; whatever else is wrong is a finding.
pub fn check(
    path: &Path,
    options: &OpenOptions<'_>,
    workers: usize,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Report> {
    std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    let options = OpenOptions { on_error: OnError::Skip, ..*options };
    let source = match open(path, &options) {
        Ok(source) => source,
        Err(error @ (Error::UnknownLayout { .. } | Error::Invalid(_))) => return Err(error),
        Err(error) => return Ok(Report { findings: vec![Finding::from(&error)], ..Report::default() }),
    };
    let mut report = Report { episodes: source.episodes().len(), ..Report::default() };
    report.findings.extend(source.check_metadata().iter().map(Finding::from));
    let skipped = source.description().skipped.iter();
    report.findings.extend(
        skipped.map(|skipped| Finding { episode: None, problem: format!("{}: {}", skipped.what, skipped.reason) }),
    );

    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let collected = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                let mut decoders = DecoderPool::new(4);
                loop {
                    let episode = next.fetch_add(1, Ordering::Relaxed);
                    if episode >= source.episodes().len() {
                        return;
                    }
                    let (frames, errors) = check_episode(source.as_ref(), episode, &mut decoders);
                    if let Ok(mut collected) = collected.lock() {
                        collected.0 += frames;
                        collected.1.extend(errors.iter().map(Finding::from));
                    }
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, source.episodes().len());
                }
            });
        }
    });
    let (frames, findings) = collected.into_inner().unwrap_or_default();
    report.frames = frames;
    report.findings.extend(findings);
    report.findings.sort();
    report.findings.dedup();
    Ok(report)
}

/// The number of frames decoded, and everything wrong with the episode.
fn check_episode(source: &dyn Source, at: usize, decoders: &mut DecoderPool) -> (usize, Vec<Error>) {
    let episode = &source.episodes()[at];
    let mut errors = match check_rows(source, at) {
        Ok(errors) => errors,
        // Rows that are not as many as the metadata says leave nothing to compare pictures with.
        Err(error) => return (0, vec![error]),
    };

    let times = episode.frame_times();
    let mut frames = 0;
    for camera in source.description().cameras() {
        errors.extend(check_video(source, at, camera, decoders).in_episode(episode.number).err());
        let mut first_size = None;
        let outcome = source.frames(at, camera, &times, decoders, &mut |nth, frame| {
            frames += 1;
            let (size, path) = ((frame.width(), frame.height()), &source.description().root);
            let first = *first_size.get_or_insert(size);
            if size == first {
                return Ok(());
            }
            let reason = format!("frame {nth} has {}×{} pixels, the first {}×{}", size.0, size.1, first.0, first.1);
            Err(Error::column(path, camera, reason)).in_episode(episode.number)
        });
        errors.extend(outcome.err());
    }
    (frames, errors)
}

/// What is wrong with the columns of an episode; the error is what is wrong with its rows as a whole.
fn check_rows(source: &dyn Source, at: usize) -> Result<Vec<Error>> {
    let number = source.episodes()[at].number;
    let (rows, unreadable) = readable_rows(source, at, &source.description().row_features())?;
    let named = |error: Error| Err::<(), Error>(error).in_episode(number).err();
    let others = source.check_episode(at, &rows).into_iter().filter_map(named);
    Ok(unreadable.into_iter().map(|(_, error)| error).chain(others).collect())
}

/// Compares a video's size, rate and codec with what the metadata says of the camera.
fn check_video(source: &dyn Source, at: usize, camera: &str, decoders: &mut DecoderPool) -> Result<()> {
    let Some(video) = source.video(at, camera) else { return Ok(()) };
    let feature = &source.description().features[camera];
    let info = decoders.get(&video.path)?.info().clone();
    let differs = |what: &str, said: String, found: String| {
        Err(Error::metadata(&video.path, format!("{camera}: {what}"), format!("says {said}, the video has {found}")))
    };
    if let Some((width, height)) = feature.picture_size().filter(|said| *said != (info.width, info.height)) {
        // Loose videos may have any size; the folder's first one stands in for all of them.
        if source.description().layout != crate::source::Layout::VideoFolder {
            return differs("size", format!("{width}×{height}"), format!("{}×{}", info.width, info.height));
        }
    }
    if let Some(codec) = feature.video_fact("codec").and_then(|codec| codec.as_str()) {
        let said = if codec == "h265" { "hevc" } else { codec };
        if said != info.codec {
            return differs("codec", codec.to_owned(), info.codec);
        }
    }
    match feature.video_fact("fps").and_then(|fps| fps.as_f64()) {
        Some(fps) if (fps - info.fps).abs() > 0.01 * fps => differs("fps", fps.to_string(), format!("{:.3}", info.fps)),
        _ => Ok(()),
    }
}
