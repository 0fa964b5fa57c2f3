//! Normalisations.

use burn::tensor::{Tensor, module};

use super::flex::{self, run};

/// Below this length a vector is not normalised any further, as in PyTorch's `normalize`.
pub(super) const MIN_LENGTH: f32 = 1e-12;

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
    if !flex::serves(&x) {
        return layer_norm_unfused(x, weight, bias, epsilon);
    }
    let kernel = flex::norm::LayerNorm { weight: weight.is_some(), bias: bias.is_some(), epsilon: epsilon as f32 };
    match (weight, bias) {
        (None, None) => run!(kernel, x),
        (Some(parameter), None) | (None, Some(parameter)) => run!(kernel, x, parameter),
        (Some(weight), Some(bias)) => run!(kernel, x, weight, bias),
    }
}

/// [`layer_norm`] by the framework.
pub(super) fn layer_norm_unfused<const D: usize>(
    x: Tensor<D>,
    weight: Option<Tensor<1>>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<D> {
    let weight = weight.unwrap_or_else(|| Tensor::ones([x.dims()[D - 1]], &x.device().without_autodiff()));
    module::layer_norm(x, weight, bias, epsilon)
}

/// Root-mean-square norm over the last axis: `x / √(mean square + epsilon) · weight`.
///
/// # Shapes
/// `x`: `[.., dim]`, `weight`: `[dim]` → `[.., dim]`
pub fn rms_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, epsilon: f64) -> Tensor<D> {
    if flex::serves(&x) {
        run!(flex::norm::RmsNorm { epsilon: epsilon as f32 }, x, weight)
    } else {
        rms_norm_unfused(x, weight, epsilon)
    }
}

/// [`rms_norm`] unfused.
pub(super) fn rms_norm_unfused<const D: usize>(x: Tensor<D>, weight: Tensor<1>, epsilon: f64) -> Tensor<D> {
    let scale = (x.clone().square().mean_dim(D - 1) + epsilon).sqrt();
    x / scale * weight.unsqueeze()
}

/// Layer norm over the last axis, modulated by vectors that the tokens of a frame share: `norm(x)·(1 + α) + β`.
///
/// # Shapes
/// `x`: `[batch, time, tokens, dim]`, `modulation`: `[batch, time, 2·dim]`, α then β → `[batch, time, tokens, dim]`
pub fn modulated_norm(x: Tensor<4>, modulation: Tensor<3>, epsilon: f64) -> Tensor<4> {
    if flex::serves(&x) {
        run!(flex::norm::ModulatedNorm { epsilon: epsilon as f32 }, x, modulation)
    } else {
        modulated_norm_unfused(x, modulation, epsilon)
    }
}

/// [`modulated_norm`] unfused.
pub(super) fn modulated_norm_unfused(x: Tensor<4>, modulation: Tensor<3>, epsilon: f64) -> Tensor<4> {
    let dim = x.dims()[3];
    let modulation = modulation.unsqueeze_dim::<4>(2);
    let alpha = modulation.clone().narrow(3, 0, dim);
    let beta = modulation.narrow(3, dim, dim);
    layer_norm_unfused(x, None, None, epsilon) * (alpha + 1.0) + beta
}

/// Scales the vectors along the last axis to length 1; a vector of length zero stays zero and gets a finite gradient.
///
/// # Shapes
/// Any; the output has the input's.
pub(super) fn normalize_last<const D: usize>(x: Tensor<D>) -> Tensor<D> {
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
pub(crate) fn unit_channels(x: Tensor<4>) -> Tensor<4> {
    let length = x.clone().square().sum_dim(1).clamp_min(MIN_SQUARE).sqrt();
    x / (length + FEATURE_EPSILON)
}
