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
}

impl ProbeRows {
    /// Adds the transitions of the episode at a position of the source: `codes` are those from each of its first frames on,
    /// `action` is the feature of its true actions.
    ///
    /// # Errors
    /// What is wrong with the episode's rows or video.
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
        let (actions, width) = selection.source.rows_of(at, &[action])?.numbers(action)?;
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
