//! Layer norms with parameters.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::ops;

/// Epsilon of every layer norm of the latent action model, except inside its DINOv2 encoder (reference 2).
pub(crate) const EPSILON: f64 = 1e-5;

/// Layer norm with a gain and no offset, epsilon 1e-5 (reference 2).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[dim]`, starts at one.
    pub gamma: Param<Tensor<1>>,
}

impl LayerNorm {
    /// A norm over vectors of length `dim`.
    pub fn new(dim: usize, device: &Device) -> Self {
        Self { gamma: Param::from_tensor(Tensor::ones([dim], device)) }
    }

    /// # Shapes
    /// `[.., dim]` → `[.., dim]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::layer_norm(x, Some(self.gamma.val()), None, EPSILON)
    }
}

/// Layer norm with a gain and an offset.
#[derive(Module, Debug)]
pub struct AffineLayerNorm {
    /// `[dim]`, starts at one.
    pub weight: Param<Tensor<1>>,
    /// `[dim]`, starts at zero.
    pub bias: Param<Tensor<1>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl AffineLayerNorm {
    /// A norm over vectors of length `dim`.
    pub fn new(dim: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([dim], device)),
            bias: Param::from_tensor(Tensor::zeros([dim], device)),
            epsilon,
        }
    }

    /// # Shapes
    /// `[.., dim]` → `[.., dim]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::layer_norm(x, Some(self.weight.val()), Some(self.bias.val()), self.epsilon)
    }
}
