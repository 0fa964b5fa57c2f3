//! Normalisations.

use burn::tensor::{Tensor, module};

/// Below this length a vector is not normalised any further, as in PyTorch's `normalize`.
const MIN_LENGTH: f32 = 1e-12;

/// Layer norm over the last axis: `(x − mean) / √(variance + epsilon) · weight + bias`, with the biased variance.
///
/// # Shapes
/// `x`: `[.., dim]`, `weight` and `bias`: `[dim]` → `[.., dim]`. No weight means ones, no bias zeros.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<D> {
    let weight = weight.unwrap_or_else(|| Tensor::ones([x.dims()[D - 1]], &x.device().without_autodiff()));
    module::layer_norm(x, weight, bias, epsilon)
}

/// Scales the vectors along the last axis to length 1; a vector of length zero stays zero and gets a finite gradient.
///
/// # Shapes
/// Any; the output has the input's.
pub fn normalize_last<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let squared = x.clone().square().sum_dim(D - 1);
    // The clamp stands inside the root: the root's gradient at zero is infinite, and infinity times zero is no number.
    let length = squared.clamp_min(MIN_LENGTH * MIN_LENGTH).sqrt();
    x / length
}
