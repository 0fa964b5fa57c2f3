//! Reconstruction loss, and the sum of the losses.

use burn::tensor::{Bool, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::optical_flow::FlowSchedule;
use vipra_train::ordered_sum;

/// Weights of the losses beside the reconstruction loss, whose weight is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossWeights {
    /// Of the perceptual loss (0.5 in the release, reference 4).
    pub perceptual: f64,
    /// Of the flow loss, over the course of training.
    pub flow: FlowSchedule,
}

impl Default for LossWeights {
    /// The release's values (reference 4).
    fn default() -> Self {
        Self { perceptual: 0.5, flow: FlowSchedule::default() }
    }
}

impl LossWeights {
    /// The loss to train on: the reconstruction loss plus the weighted others, where they are given. The flow loss is not
    /// needed in steps in which its schedule gives it no weight.
    ///
    /// # Shapes
    /// All `[1]`.
    pub fn total(
        &self,
        step: u64,
        reconstruction: Tensor<1>,
        perceptual: Option<Tensor<1>>,
        flow: Option<Tensor<1>>,
    ) -> Tensor<1> {
        let mut total = reconstruction;
        if let Some(perceptual) = perceptual {
            total = total + perceptual * self.perceptual;
        }
        if let (Some(flow), Some(weight)) = (flow, self.flow.at(step)) {
            total = total + flow * weight;
        }
        total
    }
}

/// True for transitions between two real frames.
///
/// # Shapes
/// `[batch, time]` → `[batch, time − 1]`
pub fn transition_mask(frame_mask: Tensor<2, Bool>) -> Tensor<2, Bool> {
    let time = frame_mask.dims()[1];
    frame_mask.clone().narrow(1, 0, time - 1).bool_and(frame_mask.narrow(1, 1, time - 1))
}

/// Mean absolute difference over the pixels of unmasked frames: `Σ m·|x̂ − x| / (Σm·C·H·W)` (reference 4).
///
/// The reconstruction is not clipped. If all frames are masked out, the loss is zero.
///
/// # Shapes
/// `reconstruction`, `target`: `[batch, transitions, channels, height, width]`, `mask`: `[batch, transitions]`, true for
/// frames that count; without a mask all do → `[1]`
pub fn masked_l1(reconstruction: Tensor<5>, target: Tensor<5>, mask: Option<Tensor<2, Bool>>) -> Tensor<1> {
    let difference = (reconstruction - target).abs();
    let Some(mask) = mask else { return difference.mean() };
    let [batch, transitions, channels, height, width] = difference.dims();
    let weights = mask.float();
    let counted = weights.clone().sum().clamp_min(1.0) * (channels * height * width) as f64;
    ordered_sum(difference * weights.reshape([batch, transitions, 1, 1, 1])) / counted
}
