//! Gated feed-forward block.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::initial::silent;
use crate::norm::LayerNorm;
use crate::ops;

/// Layer norm, widening, gated GELU, dropout, narrowing; no biases (reference 2). The residual is the caller's.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// Pre-norm.
    pub norm: LayerNorm,
    /// `dim → 2·inner`: values, then gates.
    pub expand: Linear,
    /// Active in training only.
    pub dropout: Dropout,
    /// `inner → dim`
    pub contract: Linear,
}

impl FeedForward {
    /// A block of width `dim`, whose inner width is ⌊4 · 2/3 · dim⌋: 170 for 64, 2048 for 768.
    pub fn new(dim: usize, dropout: f64, device: &Device) -> Self {
        let inner = Self::inner_dim(dim);
        Self {
            norm: LayerNorm::new(dim, device),
            expand: LinearConfig::new(dim, 2 * inner).with_bias(false).init(device),
            dropout: DropoutConfig::new(dropout).init(),
            contract: silent(inner, dim, false, device),
        }
    }

    /// Inner width for a width. In integers: the reference's float formula rounds 4·(2/3)·768 the same way.
    pub fn inner_dim(dim: usize) -> usize {
        8 * dim / 3
    }

    /// # Shapes
    /// `[.., dim]` → `[.., dim]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let hidden = ops::geglu_and_drop(ops::linear(&self.expand, self.norm.forward(x)), &self.dropout);
        ops::linear(&self.contract, hidden)
    }
}
