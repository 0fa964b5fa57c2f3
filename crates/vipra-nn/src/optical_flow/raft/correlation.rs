//! How alike every place of one picture is to every place of another, at several resolutions.

use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Int, Tensor, module};

use crate::ops;

/// Similarities of all pairs of places, and coarser versions of them.
pub(super) struct Correlation {
    /// `[pairs·height·width, rows, columns]` each, half as many rows and columns from one to the next.
    levels: Vec<Tensor<3>>,
    radius: usize,
}

impl Correlation {
    /// # Shapes
    /// `first`, `second`: `[pairs, channels, height, width]`
    pub(super) fn new(first: Tensor<4>, second: Tensor<4>, levels: usize, radius: usize) -> Self {
        let [pairs, channels, height, width] = first.dims();
        let places = height * width;
        let first = first.reshape([pairs, channels, places]).swap_dims(1, 2);
        let second = second.reshape([pairs, channels, places]);
        let mut volume =
            first.matmul(second).div_scalar((channels as f64).sqrt()).reshape([pairs * places, 1, height, width]);
        let mut pyramid = Vec::with_capacity(levels);
        for level in 0..levels {
            if level > 0 {
                volume = module::avg_pool2d(volume, AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
            }
            pyramid.push(volume.clone().squeeze_dim(1));
        }
        Self { levels: pyramid, radius }
    }

    /// Similarities around where each place is thought to have gone, at all levels.
    ///
    /// # Shapes
    /// `places`: `[pairs, 2, height, width]`, x then y → `[pairs, levels·(2·radius + 1)², height, width]`
    pub(super) fn around(&self, places: Tensor<4>) -> Tensor<4> {
        let [pairs, _, height, width] = places.dims();
        let side = 2 * self.radius + 1;
        // [pairs, 2, height, width] -> [2, pairs·height·width]
        let places = places.swap_dims(0, 1).reshape([2, pairs * height * width]);
        let windows = self.levels.iter().enumerate().map(|(level, volume)| {
            let scaled = places.clone() / f64::from(1 << level);
            let x = scaled.clone().narrow(0, 0, 1).squeeze_dim(0);
            let y = scaled.narrow(0, 1, 1).squeeze_dim(0);
            // The reference builds its offsets in matrix order and adds them to (x, y): the first index of the window
            // moves along x (reference 4).
            let window: Tensor<3> = ops::sample_window(volume.clone(), x, y, self.radius).swap_dims(1, 2);
            window.reshape([pairs, height, width, side * side])
        });
        // [pairs, height, width, features] -> [pairs, features, height, width]
        Tensor::cat(windows.collect(), 3).permute([0, 3, 1, 2])
    }
}

/// Coordinates of each place, x then y.
///
/// # Shapes
/// → `[pairs, 2, height, width]`
pub(super) fn coordinates(of: &Tensor<4>) -> Tensor<4> {
    let [pairs, _, height, width] = of.dims();
    let device = of.device().without_autodiff();
    let x = Tensor::<1, Int>::arange(0..width as i64, &device).float().reshape([1, 1, 1, width]);
    let y = Tensor::<1, Int>::arange(0..height as i64, &device).float().reshape([1, 1, height, 1]);
    let shape = [pairs, 1, height, width];
    Tensor::cat(vec![x.expand(shape), y.expand(shape)], 1)
}
