//! Continuous position bias: attention logits from the distance of two patches.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};

use crate::ops;

/// A small network from the distance of two patches to a bias per head (reference 2).
///
/// As in Swin V2, but without its closing `16·sigmoid`.
#[derive(Module, Debug)]
pub struct ContinuousPositionBias {
    /// `2 → dim`
    pub input: Linear,
    /// `dim → dim`
    pub hidden: Linear,
    /// `dim → heads`
    pub output: Linear,
}

impl ContinuousPositionBias {
    /// A network of width `dim` for `heads` heads.
    pub fn new(dim: usize, heads: usize, device: &Device) -> Self {
        Self {
            input: LinearConfig::new(2, dim).init(device),
            hidden: LinearConfig::new(dim, dim).init(device),
            output: LinearConfig::new(dim, heads).init(device),
        }
    }

    /// The bias of a grid of `[rows, columns]` patches.
    ///
    /// # Shapes
    /// → `[heads, patches, patches]`, the query first.
    pub fn forward(&self, grid: [usize; 2]) -> Tensor<3> {
        let device = self.input.weight.device().without_autodiff();
        let distances = relative_positions(grid, &device);
        let hidden = ops::leaky_relu(ops::linear(&self.input, distances));
        let hidden = ops::leaky_relu(ops::linear(&self.hidden, hidden));
        // [patches, patches, heads] -> [heads, patches, patches]
        ops::linear(&self.output, hidden).permute([2, 0, 1])
    }
}

/// Distances `sign(δ)·log(1 + |δ|)` between patch centres on the unit square, row (query) minus column (key).
///
/// # Shapes
/// → `[patches, patches, 2]`, the vertical distance first.
pub fn relative_positions(grid: [usize; 2], device: &Device) -> Tensor<3> {
    let [rows, columns] = grid;
    let center = |index: usize, count: usize| (index as f64 + 0.5) / count as f64;
    let centers: Vec<[f64; 2]> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| [center(row, rows), center(column, columns)]))
        .collect();
    let patches = centers.len();
    let mut distances = Vec::with_capacity(patches * patches * 2);
    for query in &centers {
        for key in &centers {
            for axis in 0..2 {
                let delta = query[axis] - key[axis];
                distances.push((delta.signum() * delta.abs().ln_1p()) as f32);
            }
        }
    }
    Tensor::from_data(TensorData::new(distances, [patches, patches, 2]), device)
}
