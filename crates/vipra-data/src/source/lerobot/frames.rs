//! Frames of an episode: out of its video, or out of its rows.

use std::ops::Range;

use arrow::array::Array;

use super::index::FileIndex;
use super::{LeRobot, columns};
use crate::error::{Error, Result};
use crate::picture;
use crate::source::{Episode, TakeFrame};
use crate::video::DecoderPool;

impl LeRobot {
    pub(super) fn video_frames(
        &self,
        episode: usize,
        camera: &str,
        times_secs: &[f64],
        decoders: &mut DecoderPool,
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        let fps = self.info.fps;
        let Some((_, path, from_secs)) = self.files[episode].videos.iter().find(|(name, ..)| name == camera) else {
            return Err(Error::metadata(&self.description.root, camera, "the metadata names no video of it"));
        };
        // Frames are asked for by number: float32 times of rows would be off by more than the tolerance.
        let in_file: Vec<f64> = times_secs.iter().map(|secs| from_secs + (secs * fps).round() / fps).collect();
        let decoder = decoders.get(path)?;
        decoder
            .frames_at(&in_file, |nth, found_secs, frame| {
                let allowed = self.tolerance_secs.max(in_file[nth] * 1e-7);
                if (found_secs - in_file[nth]).abs() > allowed {
                    return Err(Error::FrameTime {
                        wanted_secs: in_file[nth],
                        nearest_secs: found_secs,
                        path: path.clone(),
                    });
                }
                take(nth, frame)
            })
            .inspect_err(|_| decoders.close(path))
    }

    /// Pictures that are stored in rows, read a few at a time.
    pub(super) fn stored_frames(
        &self,
        index: &FileIndex,
        rows: Range<usize>,
        camera: &str,
        times_secs: &[f64],
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        let frames: Vec<usize> = times_secs.iter().map(|secs| (secs * self.info.fps).round() as usize).collect();
        let mut nth = 0;
        for ascending in frames.chunk_by(|a, b| a <= b) {
            let mut wanted: Vec<usize> = ascending.iter().map(|frame| rows.start + frame).collect();
            wanted.dedup();
            let mut repeats = ascending.chunk_by(|a, b| a == b);
            for pictures in columns::read_pictures(&index.path, camera, &wanted)? {
                let pictures = pictures?;
                for (at, same_frame) in (0..pictures.len()).zip(repeats.by_ref()) {
                    let picture = picture::decode_bytes(pictures.value(at), &index.path)?;
                    for _ in same_frame {
                        take(nth, &picture)?;
                        nth += 1;
                    }
                }
            }
            if repeats.next().is_some() {
                return Err(Error::column(&index.path, camera, "it has fewer rows than the file"));
            }
        }
        Ok(())
    }

    pub(super) fn check_times(&self, episode: &Episode, times_secs: &[f64]) -> Result<()> {
        let last = episode.last_frame_secs() + 0.5 / episode.fps;
        match times_secs.iter().find(|secs| !(-1e-9..last).contains(*secs)) {
            None => Ok(()),
            Some(secs) => Err(Error::OutOfRange {
                reason: format!("a frame at {secs} s was asked for, the last is at {} s", episode.last_frame_secs()),
                path: self.description.root.clone(),
            }),
        }
    }
}
