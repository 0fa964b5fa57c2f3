//! Optical flow without a network: coarse to fine, warp, solve, repeat.
//!
//! The flow loss's default where no weights of RAFT are at hand. At each level of a pyramid the second picture is warped
//! by the flow so far, and the rest of the motion is what brings brightness and its gradients into agreement, averaged
//! over a small window (Lucas and Kanade), while neighbours pull each other along where there is nothing to see (Horn
//! and Schunck); the combination is that of Bruhn, Weickert and Schnörr, 2005.

use burn::tensor::ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions, PadMode};
use burn::tensor::{Int, Tensor, module};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FlowEstimator;
use crate::{Error, Result, ops};

/// How hard the estimator tries. The defaults were chosen on shifted, scaled and rotated frames of robot videos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassicalFlow {
    /// The pyramid ends before a side gets smaller than this, in pixels, or odd.
    pub smallest_side: usize,
    /// Times the second picture is warped and the rest of the motion solved for, at each level.
    pub warps: usize,
    /// Passes in which neighbours pull each other along, at each warp.
    pub relaxations: usize,
    /// Weight of the neighbours against the pictures, in squared brightness per squared pixel, brightness in [0, 1].
    pub smoothness: f64,
    /// Passes of a 3×3 binomial over the equations of a pixel: the window.
    pub window: usize,
}

impl Default for ClassicalFlow {
    fn default() -> Self {
        Self { smallest_side: 8, warps: 4, relaxations: 30, smoothness: 3e-3, window: 2 }
    }
}

impl FlowEstimator for ClassicalFlow {
    /// Gradients pass through the last warp only: what came before it is taken as given. At the solution this is the
    /// derivative of the equations that the flow solves, so nothing is missing but what the earlier steps left undone.
    fn flow(&self, pictures: Tensor<4>, from: Tensor<1, Int>, to: Tensor<1, Int>) -> Result<Tensor<4>> {
        let [_, _, height, width] = pictures.dims();
        if height.min(width) < self.smallest_side || self.warps == 0 {
            return Err(Error::Invalid(format!(
                "optical flow needs frames of at least {} pixels a side and at least one warp, not {height}×{width} \
                 and {}",
                self.smallest_side, self.warps
            )));
        }
        let finest = smooth(pictures);
        let mut flow: Option<Tensor<4>> = None;
        for level in self.pyramid(finest.clone().without_autodiff()).into_iter().rev() {
            let pair = [level.clone().select(0, from.clone()), level.select(0, to.clone())];
            let mut at_level = match flow {
                None => pair[0].zeros_like().narrow(1, 0, 2),
                Some(coarse) => enlarge(coarse, &pair[0]),
            };
            for _ in 0..self.warps {
                at_level = self.refine(&pair, at_level);
            }
            flow = Some(at_level);
        }
        let pair = [finest.clone().select(0, from), finest.select(0, to)];
        let start = flow.unwrap_or_else(|| pair[0].zeros_like().narrow(1, 0, 2));
        Ok(self.refine(&pair, start))
    }
}

impl ClassicalFlow {
    /// Ever coarser pictures, the finest first.
    fn pyramid(&self, finest: Tensor<4>) -> Vec<Tensor<4>> {
        let mut levels = vec![finest.clone()];
        let mut level = finest;
        loop {
            let [_, _, height, width] = level.dims();
            let halves = height.is_multiple_of(2) && width.is_multiple_of(2);
            if !halves || height.min(width) / 2 < self.smallest_side {
                return levels;
            }
            level = module::avg_pool2d(smooth(level), AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
            levels.push(level.clone());
        }
    }

    /// One warp: linearises both pictures around `flow` and solves for a better one.
    fn refine(&self, [first, second]: &[Tensor<4>; 2], flow: Tensor<4>) -> Tensor<4> {
        let (warped, inside) = ops::warp(second.clone(), flow.clone());
        let slope_x = (difference(first.clone(), 3) + difference(warped.clone(), 3)) * 0.5;
        let slope_y = (difference(first.clone(), 2) + difference(warped.clone(), 2)) * 0.5;
        let change = warped - first.clone();
        let sum = |a: &Tensor<4>, b: &Tensor<4>| (a.clone() * b.clone()).sum_dim(1);
        // What has left the picture has no say. [pairs, 5, height, width]
        let terms = Tensor::cat(
            vec![
                sum(&slope_x, &slope_x),
                sum(&slope_x, &slope_y),
                sum(&slope_y, &slope_y),
                sum(&slope_x, &change),
                sum(&slope_y, &change),
            ],
            1,
        ) * inside;
        let terms = (0..self.window).fold(terms, |terms, _| smooth(terms));
        let term = |index: usize| terms.clone().narrow(1, index, 1);
        let (xx, xy, yy, xt, yt) = (term(0), term(1), term(2), term(3), term(4));
        let start_x = flow.clone().narrow(1, 0, 1);
        let start_y = flow.clone().narrow(1, 1, 1);
        // The pictures' pull: A·flow₀ − b.
        let pull_x = xx.clone() * start_x.clone() + xy.clone() * start_y.clone() - xt;
        let pull_y = xy.clone() * start_x + yy.clone() * start_y - yt;
        // (A + s)·flow = s·(mean of the neighbours) + pull, a 2×2 system for each pixel.
        let (xx, yy) = (xx + self.smoothness, yy + self.smoothness);
        let determinant = xx.clone() * yy.clone() - xy.clone() * xy.clone();
        let (xx, xy, yy) = (xx / determinant.clone(), xy / determinant.clone(), yy / determinant);
        let mut flow = flow;
        for _ in 0..self.relaxations {
            let neighbours = smooth(flow) * self.smoothness;
            let right_x = neighbours.clone().narrow(1, 0, 1) + pull_x.clone();
            let right_y = neighbours.narrow(1, 1, 1) + pull_y.clone();
            let x = yy.clone() * right_x.clone() - xy.clone() * right_y.clone();
            let y = xx.clone() * right_y - xy.clone() * right_x;
            flow = Tensor::cat(vec![x, y], 1);
        }
        flow
    }
}

/// A coarse flow on the grid of finer pictures, in their pixels.
fn enlarge(coarse: Tensor<4>, like: &Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = like.dims();
    let factor = (height / coarse.dims()[2]) as f64;
    let options =
        InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false).with_output_size([height, width]);
    module::interpolate(coarse, options) * factor
}

/// 3×3 binomial; the border is continued.
fn smooth(x: Tensor<4>) -> Tensor<4> {
    [2, 3].into_iter().fold(x, |x, dim| {
        let [before, after] = neighbours(x.clone(), dim);
        x * 0.5 + (before + after) * 0.25
    })
}

/// Central difference along rows (2) or columns (3); the border is continued.
fn difference(x: Tensor<4>, dim: usize) -> Tensor<4> {
    let [before, after] = neighbours(x, dim);
    (after - before) * 0.5
}

/// The picture moved by one pixel either way.
fn neighbours(x: Tensor<4>, dim: usize) -> [Tensor<4>; 2] {
    let size = x.dims()[dim];
    let mut padding = [(0, 0); 4];
    padding[dim] = (1, 1);
    let padded = x.pad(padding, PadMode::Edge);
    [padded.clone().narrow(dim, 0, size), padded.narrow(dim, 2, size)]
}
