//! Normalisations.

use burn::tensor::{Tensor, module};

/// Below this length a vector is not normalised any further, as in PyTorch's `normalize`.
const MIN_LENGTH: f32 = 1e-12;

/// Added to the length of a feature vector before it divides, as LPIPS does.
const FEATURE_EPSILON: f32 = 1e-10;
/// Squared lengths below this count as this inside the root; far below what the epsilon lets through.
const MIN_SQUARE: f32 = 1e-30;

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

/// Divides the feature vector of each place by its length plus 1e-10 (LPIPS; reference 4). A vector of zeros stays zero
/// and gets a finite gradient, which the reference's does not.
///
/// # Shapes
/// `[batch, channels, height, width]` → the same.
pub fn unit_channels(x: Tensor<4>) -> Tensor<4> {
    let length = x.clone().square().sum_dim(1).clamp_min(MIN_SQUARE).sqrt();
    x / (length + FEATURE_EPSILON)
}
