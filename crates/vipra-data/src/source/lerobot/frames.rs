//! Frames of an episode: out of its video, or out of its rows.

use std::ops::Range;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;

use super::index::FileIndex;
use super::{LeRobot, table};
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
        let Some((_, path, from_secs)) = self.located[episode].videos.iter().find(|(name, ..)| name == camera) else {
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

    pub(super) fn stored_frames(
        &self,
        index: &FileIndex,
        rows: Range<usize>,
        camera: &str,
        times_secs: &[f64],
        take: &mut TakeFrame<'_>,
    ) -> Result<()> {
        let frames: Vec<usize> = times_secs.iter().map(|secs| (secs * self.info.fps).round() as usize).collect();
        let (Some(&first), Some(&last)) = (frames.iter().min(), frames.iter().max()) else { return Ok(()) };
        let range = rows.start + first..rows.start + last + 1;
        let batch = table::read(&index.path, |name| name == camera, Some(range))?;
        let pictures = table::column(&batch, camera, &index.path)?;
        let fault = |reason: &str| Error::column(&index.path, camera, reason);
        let bytes = pictures
            .as_struct_opt()
            .and_then(|pictures| pictures.column_by_name("bytes"))
            .ok_or_else(|| fault("expected struct<bytes, path>"))?;
        let bytes = arrow::compute::cast(bytes, &DataType::LargeBinary)
            .map_err(|error| fault(&format!("expected bytes: {error}")))?;
        let bytes = bytes.as_binary::<i64>();
        for (nth, frame) in frames.iter().enumerate() {
            if bytes.is_null(frame - first) {
                return Err(fault("a picture is stored by path only, outside of the file"));
            }
            take(nth, &picture::decode_bytes(bytes.value(frame - first), &index.path)?)?;
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
