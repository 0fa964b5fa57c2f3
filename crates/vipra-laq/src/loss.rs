//! Reconstruction loss.

use burn::tensor::{Bool, Tensor};

/// True for the transitions between two frames that both count.
///
/// # Shapes
/// `[batch, time]` → `[batch, time − 1]`
pub fn transition_mask(frame_mask: Tensor<2, Bool>) -> Tensor<2, Bool> {
    let time = frame_mask.dims()[1];
    frame_mask.clone().narrow(1, 0, time - 1).bool_and(frame_mask.narrow(1, 1, time - 1))
}

/// Mean absolute difference over the pixels of the frames that count: `Σ m·|x̂ − x| / (Σm·C·H·W)` (reference 4).
///
/// The reconstruction is not clipped. Where no frame counts the loss is zero.
///
/// # Shapes
/// `reconstruction`, `target`: `[batch, transitions, channels, height, width]`, `mask`: `[batch, transitions]`, all
/// count if there is none → `[1]`
pub fn masked_l1(reconstruction: Tensor<5>, target: Tensor<5>, mask: Option<Tensor<2, Bool>>) -> Tensor<1> {
    let difference = (reconstruction - target).abs();
    let Some(mask) = mask else { return difference.mean() };
    let [batch, transitions, channels, height, width] = difference.dims();
    let weights = mask.float();
    let counted = weights.clone().sum().clamp_min(1.0) * (channels * height * width) as f64;
    (difference * weights.reshape([batch, transitions, 1, 1, 1])).sum() / counted
}
