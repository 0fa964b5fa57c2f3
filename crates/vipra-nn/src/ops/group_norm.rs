//! Group norm with the activation that always follows it.

use burn::tensor::{Tensor, activation};

use super::flex::{self, run};

/// `silu(norm(x)·weight + bias)`, where the norm is over the channels of a group and all places, with the biased variance.
///
/// # Shapes
/// `x`: `[batch, channels, height, width]`, `weight` and `bias`: `[channels]`; `groups` divide the channels → as `x`
pub fn group_norm_silu(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, groups: usize, epsilon: f64) -> Tensor<4> {
    if flex::serves(&x) {
        run!(flex::group_norm::GroupNormSilu { groups, epsilon: epsilon as f32 }, x, weight, bias)
    } else {
        group_norm_silu_unfused(x, weight, bias, groups, epsilon)
    }
}

/// [`group_norm_silu`] unfused.
pub(super) fn group_norm_silu_unfused(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    epsilon: f64,
) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let x = x.reshape([batch, groups, channels / groups * height * width]);
    let centered = x.clone() - x.mean_dim(2);
    let variance = centered.clone().square().mean_dim(2);
    let normal = (centered / (variance + epsilon).sqrt()).reshape([batch, channels, height, width]);
    let of_channels = |parameter: Tensor<1>| parameter.reshape([1, channels, 1, 1]);
    activation::silu(normal * of_channels(weight) + of_channels(bias))
}
