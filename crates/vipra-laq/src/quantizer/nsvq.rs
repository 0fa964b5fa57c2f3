//! The quantiser itself.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::codebook::nearest;
use vipra_nn::parameter::map_detached;

use crate::{Error, Result};

/// Added to the length of the noise before dividing by it (reference 1).
const NOISE_EPSILON: f32 = 1e-8;

/// Size of the codebook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NsvqConfig {
    /// Number of codes (8 in the release, reference 3).
    pub codes: usize,
    /// Channels of a code (32 in the release, reference 3).
    pub dim: usize,
}

impl Default for NsvqConfig {
    /// The release's size (reference 3).
    fn default() -> Self {
        Self { codes: 8, dim: 32 }
    }
}

impl NsvqConfig {
    /// A quantiser with a normally distributed codebook.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than two codes or no channels.
    pub fn init(&self, device: &Device) -> Result<Nsvq> {
        if self.codes < 2 || self.dim == 0 {
            return Err(Error::Invalid(format!(
                "a codebook of {} codes of {} channels carries no information",
                self.codes, self.dim
            )));
        }
        let codebooks = Initializer::Normal { mean: 0.0, std: 1.0 }.init([self.codes, self.dim], device);
        Ok(Nsvq { codebooks })
    }
}

/// A codebook with two paths through it: [`substitute`](Self::substitute) in training, [`quantize`](Self::quantize)
/// otherwise.
///
/// Usage counts are not part of it: keep them in a [`CodeUsage`](super::CodeUsage).
#[derive(Module, Debug)]
pub struct Nsvq {
    /// The codebook, `[codes, dim]`. The name is plural in the reference's weights.
    pub codebooks: Param<Tensor<2>>,
}

/// Quantised vectors and the codes that were chosen for them.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// `[vectors, dim]`
    pub values: Tensor<2>,
    /// `[vectors]`, in `0..codes`.
    pub codes: Tensor<1, Int>,
}

impl Nsvq {
    /// Index of the nearest code of each vector, by squared distance; the lowest index among equals.
    ///
    /// # Shapes
    /// `[vectors, dim]` → `[vectors]`
    pub fn nearest(&self, x: Tensor<2>) -> Tensor<1, Int> {
        nearest(x, self.codebooks.val())
    }

    /// The training path: each vector plus noise of the length of its quantisation error (reference 1).
    ///
    /// Only the length of the error enters: the codebook learns from its gradient, and the vector gets its own gradient plus
    /// that of the length. There is no straight-through estimate and no commitment loss. If a vector equals its code, the
    /// length and its gradients are zero.
    ///
    /// # Shapes
    /// `x` and `noise` (standard normal): `[vectors, dim]`.
    pub fn substitute(&self, x: Tensor<2>, noise: Tensor<2>) -> Quantized {
        self.substitute_scaled(x, noise, 1.0)
    }

    /// As [`substitute`](Self::substitute), with the noise scaled by `noise_scale`, in [0, 1]; at 0 vectors pass unchanged.
    pub fn substitute_scaled(&self, x: Tensor<2>, noise: Tensor<2>, noise_scale: f64) -> Quantized {
        let codes = self.nearest(x.clone());
        let error = x.clone() - self.look_up(codes.clone());
        let squared = error.square().sum_dim(1);
        // The gradient of the root is infinite at zero, so zeros bypass the root.
        let exact = squared.clone().detach().equal_scalar(0.0);
        let length = squared.mask_fill(exact.clone(), 1.0).sqrt().mask_fill(exact, 0.0);
        let noise_length = noise.clone().square().sum_dim(1).sqrt() + NOISE_EPSILON;
        let noise = noise / noise_length * length;
        // Multiplying by one would cost a pass over the vectors.
        let values = if noise_scale < 1.0 { x + noise * noise_scale } else { x + noise };
        Quantized { values, codes }
    }

    /// The inference path: each vector replaced by its nearest code.
    ///
    /// # Shapes
    /// `x`: `[vectors, dim]`.
    pub fn quantize(&self, x: Tensor<2>) -> Quantized {
        let codes = self.nearest(x);
        Quantized { values: self.look_up(codes.clone()), codes }
    }

    /// The quantiser with a codebook computed from this one without gradients. The parameter keeps its id, and with it the
    /// optimiser's moments, as in the reference, and still requires gradients if it did.
    ///
    /// # Shapes
    /// `change`: `[codes, dim]` → the same.
    pub fn map_codebook(self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        Self { codebooks: map_detached(self.codebooks, change) }
    }

    /// The vectors of codes.
    ///
    /// # Shapes
    /// `[vectors]`, in `0..codes` → `[vectors, dim]`
    pub fn look_up(&self, codes: Tensor<1, Int>) -> Tensor<2> {
        self.codebooks.val().select(0, codes)
    }
}
