//! The losses of a run, with the network they need.

use burn::tensor::{Device, Tensor};
use vipra_nn::perceptual::Lpips;
use vipra_train::Losses;

use super::config::LossConfig;
use super::cutmix::CutMix;
use super::rare_colors::rarity_weights;
use crate::{Reconstruction, Result};

/// The losses, ready to compute.
pub(super) struct LossSet {
    config: LossConfig,
    /// None where its weight is 0. Frozen.
    perceptual: Option<Lpips>,
}

impl LossSet {
    /// Loads the network that the configuration names; `own` makes it where none is named.
    ///
    /// # Errors
    /// What is wrong with a weights file; the error of `own`.
    pub(super) fn load(config: &LossConfig, own: impl FnOnce() -> Result<Lpips>, device: &Device) -> Result<Self> {
        let perceptual = if config.perceptual_weight == 0.0 {
            None
        } else {
            Some(config.perceptual.load(device)?.map_or_else(own, Ok)?)
        };
        Ok(Self { config: config.clone(), perceptual })
    }

    /// The losses of rebuilt frames against the true ones.
    ///
    /// # Shapes
    /// `frames`: `[frames, 3, height, width]` in [0, 1]
    ///
    /// # Errors
    /// If the network cannot process frames of this size.
    pub(super) fn losses(&self, rebuilt: Reconstruction, frames: Tensor<4>, cutmix: Option<&CutMix>) -> Result<Losses> {
        let difference = rebuilt.frames.clone() - frames.clone();
        let weights = (self.config.rarity > 0.0).then(|| rarity_weights(&frames, self.config.rarity));
        let counted = |error: Tensor<4>| match &weights {
            Some(weights) => (error * weights.clone()).mean(),
            None => error.mean(),
        };
        let absolute = difference.clone().abs();
        // The unweighted error, comparable with the held-out one.
        let mut parts = vec![("l1", absolute.clone().mean())];
        let mut total = counted(absolute);
        if weights.is_some() {
            parts.push(("l1_by_rarity", total.clone()));
        }
        if self.config.squared_weight > 0.0 {
            let squared = counted(difference.square());
            total = total + squared.clone() * self.config.squared_weight;
            parts.push(("squared", squared));
        }
        if let Some(cutmix) = cutmix {
            let locality = cutmix.locality_loss(&rebuilt.vectors);
            total = total + locality.clone() * self.config.locality_weight;
            parts.push(("locality", locality));
        }
        if let Some(quantized) = rebuilt.quantized {
            let commitment = (rebuilt.vectors - quantized.values).square().mean();
            total = total + commitment.clone() * self.config.commitment_weight;
            parts.push(("commitment", commitment));
        }
        if let Some(network) = &self.perceptual {
            let as_clips = |frames: Tensor<4>| frames.unsqueeze_dim::<5>(1);
            let perceptual = network.loss(as_clips(rebuilt.frames), as_clips(frames), None)?;
            total = total + perceptual.clone() * self.config.perceptual_weight;
            parts.push(("perceptual", perceptual));
        }
        Ok(Losses { total, parts })
    }
}
