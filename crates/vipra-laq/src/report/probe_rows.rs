//! What the probe learns from: a row for each transition.

use std::ops::Range;

use burn::tensor::Tensor;
use vipra_data::video::DecoderPool;

use super::selection::Selection;
use crate::frames::read_frames;
use crate::label::horizon_window;
use crate::{Description, Result};

/// Frames of an episode that are in memory at a time.
const FRAME_BATCH: usize = 64;
/// Side of the grey grid in which frame differences are given to the probe.
const DIFFERENCE_SIDE: usize = 16;

/// Rows of features with the actions they belong to.
#[derive(Debug, Clone, Default)]
pub(super) struct ProbeRows {
    /// `[rows, features]`
    pub(super) codes: Vec<Vec<f32>>,
    /// `[rows, features]`
    pub(super) differences: Vec<Vec<f32>>,
    /// `[rows, dimensions]`
    pub(super) actions: Vec<Vec<f64>>,
    /// Which rows are one episode's.
    pub(super) episodes: Vec<Range<usize>>,
    /// What is wrong with the actions of episodes that have no rows here.
    pub(super) faults: Vec<String>,
}

impl ProbeRows {
    /// Adds the transitions of the episode at a position of the source: `codes` are those from each of its first frames on,
    /// `action` is the feature of its true actions. Where these cannot be read, none are added, and the fault is noted.
    ///
    /// # Errors
    /// What is wrong with the episode's video.
    pub(super) fn add_episode(
        &mut self,
        selection: &Selection,
        at: usize,
        codes: &[&[u8]],
        action: &str,
        description: &Description,
        decoders: &mut DecoderPool,
    ) -> Result<()> {
        let episode = &selection.source.episodes()[at];
        let (actions, width) = match selection.source.rows_of(at, &[action]).and_then(|rows| rows.numbers(action)) {
            Ok(read) => read,
            Err(fault) => {
                // Nothing is learned from them: they keep a model from being compared, and not from being used.
                self.faults.push(fault.to_string());
                return Ok(());
            }
        };
        let grey = grey_episode(selection, at, description, decoders)?;
        let first_row = self.actions.len();
        for (frame, codes) in codes.iter().enumerate() {
            let window = horizon_window(frame, episode.length, episode.fps, description.clip.interval_secs, 1);
            let (from, to) = (window[1], window[2].max(window[1] + 1));
            // Several actions may fall into one transition: what counts is where they lead together.
            let mean = |dimension: usize| {
                (from..to).map(|row| actions[row * width + dimension]).sum::<f64>() / (to - from) as f64
            };
            self.actions.push((0..width).map(mean).collect());
            self.codes.push(one_hot(codes, description.model.quantizer.codes));
            let change = grey[window[2]].iter().zip(&grey[window[1]]).map(|(after, before)| after - before);
            self.differences.push(change.collect());
        }
        self.episodes.push(first_row..self.actions.len());
        Ok(())
    }
}

/// The grey grid of each frame of an episode.
fn grey_episode(
    selection: &Selection,
    at: usize,
    description: &Description,
    decoders: &mut DecoderPool,
) -> Result<Vec<Vec<f32>>> {
    let source = selection.source.as_ref();
    let frames: Vec<usize> = (0..source.episodes()[at].length).collect();
    let mut grey = Vec::with_capacity(frames.len());
    for batch in frames.chunks(FRAME_BATCH) {
        grey.extend(grey_grids(read_frames(source, at, &selection.camera, batch, description.image, decoders)?));
    }
    Ok(grey)
}

/// `[positions · codes]`
fn one_hot(codes: &[u8], count: usize) -> Vec<f32> {
    let mut features = vec![0.0; codes.len() * count];
    for (position, code) in codes.iter().enumerate() {
        features[position * count + usize::from(*code)] = 1.0;
    }
    features
}

/// Mean brightness of the cells of a coarse grid, frame by frame.
fn grey_grids(frames: Tensor<4>) -> Vec<Vec<f32>> {
    let [count, _, height, width] = frames.dims();
    let side = |pixels: usize| pixels.min(DIFFERENCE_SIDE);
    let (rows, columns) = (side(height), side(width));
    let values: Vec<f32> = frames.mean_dim(1).into_data().iter::<f32>().collect();
    let cell = |size: usize, at: usize, cells: usize| -> Range<usize> { size * at / cells..size * (at + 1) / cells };
    (0..count)
        .map(|frame| {
            let grey = &values[frame * height * width..(frame + 1) * height * width];
            (0..rows * columns)
                .map(|at| {
                    let (y_range, x_range) = (cell(height, at / columns, rows), cell(width, at % columns, columns));
                    let pixels = y_range.len() * x_range.len();
                    let sum: f32 = y_range.flat_map(|y| x_range.clone().map(move |x| grey[y * width + x])).sum();
                    sum / pixels as f32
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vipra_data::writer::{DatasetWriter, WriterOptions};
    use vipra_data::{DType, DataConfig, Feature, Features, Frame, Rows, SourceConfig, Values};

    use super::*;
    use crate::LaqConfig;

    const CAMERA: &str = "observation.images.front";
    const SIDE: usize = 16;
    const FRAMES: usize = 4;

    /// An episode whose metadata promise a feature `wish` that its rows do not have.
    fn record(root: &Path) {
        let features = Features::from([
            (CAMERA.to_owned(), Feature::camera(DType::Image, SIDE, SIDE)),
            ("action".to_owned(), Feature::numeric(DType::Float32, &["dx"])),
        ]);
        let mut writer = DatasetWriter::create(root, WriterOptions::new(5, features)).unwrap();
        let mut recording = writer.begin_episode("wave").unwrap();
        (0..FRAMES).for_each(|_| recording.push(CAMERA, &Frame::new(SIDE, SIDE)).unwrap());
        let mut rows = Rows { length: FRAMES, ..Rows::default() };
        rows.insert("action", 1, Values::F32(vec![1.0; FRAMES])).unwrap();
        recording.finish(&rows).unwrap();
        writer.finish(&[]).unwrap();
        let path = root.join("meta/info.json");
        let mut info: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        info["features"]["wish"] = info["features"]["action"].clone();
        std::fs::write(&path, info.to_string()).unwrap();
    }

    #[test]
    fn actions_that_cannot_be_read_are_left_out_and_videos_that_cannot_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("waving");
        record(&root);
        let mut data = DataConfig::default();
        (data.image.width, data.image.height) = (SIDE, SIDE);
        let description = Description::new(&LaqConfig::default(), &data);
        let mut selection = Selection::open(&SourceConfig::new(&root), &data).unwrap();
        let (mut rows, mut decoders) = (ProbeRows::default(), DecoderPool::new(1));
        let codes = [&[0_u8][..]; FRAMES - 1];
        let mut add = |selection: &Selection, action: &str| {
            let added = rows.add_episode(selection, 0, &codes, action, &description, &mut decoders);
            (added, rows.actions.len(), rows.faults.clone())
        };
        let (added, count, faults) = add(&selection, "wish");
        added.unwrap();
        assert!(count == 0 && faults.len() == 1 && faults[0].contains("feature `wish`"), "{faults:?}");
        let (added, count, faults) = add(&selection, "action");
        added.unwrap();
        assert_eq!((count, faults.len()), (FRAMES - 1, 1));
        selection.camera = "nowhere".to_owned();
        assert!(add(&selection, "action").0.is_err());
    }
}
