//! Rare colours: those of small objects, whose absence hardly affects the error over all pixels.

use burn::tensor::{Tensor, TensorData};

/// Levels per channel; colours fall into `LEVELS³` cells.
const LEVELS: usize = 16;
/// The rarest colours that together make up at most this share of the pixels.
const SHARE: f64 = 0.01;

/// The cell of a colour in [0, 1].
fn cell(color: [f32; 3]) -> usize {
    let level = |value: f32| ((value * LEVELS as f32) as usize).min(LEVELS - 1);
    color.into_iter().fold(0, |cell, value| cell * LEVELS + level(value))
}

/// Per-pixel loss weights with mean 1: inverse colour frequency in the batch to the power `rarity`.
///
/// # Shapes
/// `frames`: `[frames, 3, height, width]` in [0, 1] → `[frames, 1, height, width]`
pub(super) fn rarity_weights(frames: &Tensor<4>, rarity: f64) -> Tensor<4> {
    let [count, channels, height, width] = frames.dims();
    let pixels = height * width;
    let values: Vec<f32> = frames.clone().into_data().iter::<f32>().collect();
    let cells: Vec<usize> = values
        .chunks(channels * pixels)
        .flat_map(|frame| (0..pixels).map(|pixel| cell([0, 1, 2].map(|channel| frame[channel * pixels + pixel]))))
        .collect();
    let mut seen = vec![0_u32; LEVELS.pow(3)];
    cells.iter().for_each(|cell| seen[*cell] += 1);
    let weights: Vec<f64> = cells.iter().map(|cell| f64::from(seen[*cell]).powf(-rarity)).collect();
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let weights: Vec<f32> = weights.into_iter().map(|weight| (weight / mean) as f32).collect();
    Tensor::from_data(TensorData::new(weights, [count, 1, height, width]), &frames.device())
}

/// Counts and squared errors of pixels by their true colour.
#[derive(Debug, Clone)]
pub(super) struct RareColors {
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    pixels: u64,
    squared: f64,
}

impl RareColors {
    pub(super) fn new() -> Self {
        Self { cells: vec![Cell::default(); LEVELS.pow(3)] }
    }

    /// Adds a pixel: its true and its rebuilt colour, in [0, 1].
    pub(super) fn add(&mut self, color: [f32; 3], rebuilt: [f32; 3]) {
        let cell = &mut self.cells[cell(color)];
        cell.pixels += 1;
        cell.squared +=
            color.iter().zip(rebuilt).map(|(color, rebuilt)| f64::from(rebuilt - color).powi(2)).sum::<f64>();
    }

    /// Mean squared error over the channels of pixels with rare colours, or of the single rarest colour if even that exceeds
    /// the share. None without pixels.
    pub(super) fn squared_error(&self) -> Option<f64> {
        let mut seen: Vec<Cell> = self.cells.iter().filter(|cell| cell.pixels > 0).copied().collect();
        seen.sort_by_key(|cell| cell.pixels);
        let most = SHARE * seen.iter().map(|cell| cell.pixels).sum::<u64>() as f64;
        let mut rare = *seen.first()?;
        for cell in &seen[1..] {
            if (rare.pixels + cell.pixels) as f64 > most {
                break;
            }
            rare.pixels += cell.pixels;
            rare.squared += cell.squared;
        }
        Some(rare.squared / (3 * rare.pixels) as f64)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::{RareColors, rarity_weights};

    #[test]
    fn a_colour_four_times_as_rare_counts_twice_at_the_power_of_a_half() {
        let device = Device::flex();
        // One white pixel beside four black ones.
        let frame = Tensor::<1>::from_floats([0.0, 0.0, 1.0, 0.0, 0.0], &device).reshape([1, 1, 1, 5]).repeat_dim(1, 3);
        let weights: Vec<f32> = rarity_weights(&frame, 0.5).into_data().iter::<f32>().collect();
        assert!((weights[2] / weights[0] - 2.0).abs() < 1e-5, "{weights:?}");
        assert!((weights.iter().sum::<f32>() - 5.0).abs() < 1e-5, "{weights:?}");
        let alike: Vec<f32> = rarity_weights(&frame, 0.0).into_data().iter::<f32>().collect();
        assert_eq!(alike, [1.0; 5]);
    }

    #[test]
    fn the_rarest_colours_count_up_to_their_share() {
        let mut colors = RareColors::new();
        assert_eq!(colors.squared_error(), None);
        (0..990).for_each(|_| colors.add([0.5; 3], [0.5; 3]));
        (0..4).for_each(|_| colors.add([1.0, 0.0, 0.0], [0.5, 0.0, 0.0]));
        assert!((colors.squared_error().unwrap() - 0.25 / 3.0).abs() < 1e-9);
        (0..5).for_each(|_| colors.add([0.0, 1.0, 0.0], [0.0, 1.0, 0.0]));
        assert!((colors.squared_error().unwrap() - 4.0 * 0.25 / 27.0).abs() < 1e-9, "nine of 999 pixels");
    }
}
