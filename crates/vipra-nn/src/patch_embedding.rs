//! Patches of a picture as tokens.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::ops;

/// A linear projection of square patches: a convolution whose stride is its kernel.
#[derive(Module, Debug)]
pub struct PatchEmbedding {
    /// `[dim, channels, patch, patch]`
    pub weight: Param<Tensor<4>>,
    /// `[dim]`
    pub bias: Param<Tensor<1>>,
}

impl PatchEmbedding {
    /// For patches of `patch`×`patch` pixels; initialised as PyTorch does a convolution.
    pub fn new(channels: usize, dim: usize, patch: usize, device: &Device) -> Self {
        let bound = 1.0 / ((channels * patch * patch) as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        Self { weight: uniform.init([dim, channels, patch, patch], device), bias: uniform.init([dim], device) }
    }

    /// # Shapes
    /// `[batch, channels, height, width]` → `[batch, patches, dim]`, patches in row-major order.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<3> {
        ops::embed_patches(pictures, self.weight.val(), self.bias.val())
    }
}
