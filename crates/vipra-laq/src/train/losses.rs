//! The losses of a run, with the networks they need.

use burn::tensor::{Bool, Device, Tensor};
use vipra_nn::optical_flow::raft::RaftConfig;
use vipra_nn::optical_flow::{FlowEstimator, flow_consistency};
use vipra_nn::perceptual::Lpips;
use vipra_nn::weights::Weights;
use vipra_train::Losses;

use super::config::{FlowNetwork, LossConfig, OpticalFlowConfig};
use crate::loss::{LossWeights, masked_l1};
use crate::{Error, Result};

/// The losses, ready to compute. Their networks are frozen and always in evaluation mode (in the reference they are not, by
/// an oversight of its loop: reference 5).
pub(super) struct LossSet {
    weights: LossWeights,
    /// None where its weight is 0.
    perceptual: Option<Lpips>,
    flow: Box<dyn FlowEstimator>,
    flow_clips: usize,
}

impl LossSet {
    /// Loads the networks that the configuration names. `own` makes the perceptual network where none is named.
    ///
    /// # Errors
    /// What is wrong with a weights file; the error of `own`.
    pub(super) fn load(config: &LossConfig, own: impl FnOnce() -> Result<Lpips>, device: &Device) -> Result<Self> {
        let perceptual = if config.weights.perceptual == 0.0 {
            None
        } else {
            Some(config.perceptual.load(device)?.map_or_else(own, Ok)?)
        };
        Ok(Self {
            weights: config.weights.clone(),
            perceptual,
            flow: flow_estimator(&config.flow, device)?,
            flow_clips: config.flow.clips,
        })
    }

    /// The losses of rebuilt frames against the true ones.
    ///
    /// # Shapes
    /// `frames`, `targets`: `[batch, transitions, 3, height, width]`, `transition_mask`: `[batch, transitions]`.
    ///
    /// # Errors
    /// If a network cannot process frames of this size.
    pub(super) fn losses(
        &self,
        step: u64,
        frames: Tensor<5>,
        targets: Tensor<5>,
        transition_mask: Tensor<2, Bool>,
    ) -> Result<Losses> {
        let reconstruction = masked_l1(frames.clone(), targets.clone(), Some(transition_mask.clone()));
        let mut parts = vec![("l1", reconstruction.clone())];
        let perceptual = self
            .perceptual
            .as_ref()
            .map(|network| network.loss(frames.clone(), targets.clone(), Some(transition_mask.clone())));
        let perceptual = perceptual.transpose()?;
        parts.extend(perceptual.iter().map(|loss| ("perceptual", loss.clone())));
        let mut flow = None;
        if self.weights.flow.at(step).is_some() {
            let batch = frames.dims()[0];
            let clips = if self.flow_clips == 0 { batch } else { self.flow_clips.min(batch) };
            let some = |frames: Tensor<5>| frames.narrow(0, 0, clips);
            let mask = transition_mask.narrow(0, 0, clips);
            let loss = flow_consistency(self.flow.as_ref(), some(frames), some(targets), Some(mask))?;
            parts.push(("flow", loss.clone()));
            flow = Some(loss);
        }
        let total = self.weights.total(step, reconstruction, perceptual, flow);
        Ok(Losses { total, parts })
    }
}

fn flow_estimator(config: &OpticalFlowConfig, device: &Device) -> Result<Box<dyn FlowEstimator>> {
    let raft = match config.network {
        FlowNetwork::Classical => return Ok(Box::new(config.classical.clone())),
        FlowNetwork::RaftLarge => RaftConfig::large(),
        FlowNetwork::RaftSmall => RaftConfig::small(),
    };
    let path = config.weights.as_ref().ok_or_else(|| Error::Invalid("RAFT needs a file of weights".to_owned()))?;
    Ok(Box::new(raft.load(&Weights::read(path)?, "", device)?))
}
