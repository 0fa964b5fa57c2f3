//! What a run is told about its latent actions: the section `laq` of a configuration.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::optical_flow::ClassicalFlow;
use vipra_nn::perceptual::PerceptualConfig;
use vipra_train::TrainConfig;

use crate::LaqConfig;
use crate::loss::LossWeights;
use crate::quantizer::ReplacementConfig;

/// Latent actions: the model and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LaqStageConfig {
    /// Size of the model.
    pub model: LaqConfig,
    /// The codebook's first codes, and what happens to unused ones.
    pub codebook: CodebookConfig,
    /// What is minimised.
    pub loss: LossConfig,
    /// Weights of DINOv2 to start the spatial encoder from (`.pth` or safetensors); trained from scratch without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spatial_encoder_weights: Option<PathBuf>,
    /// By what the learning rate is multiplied for a spatial encoder that starts from weights (0.1 in the release,
    /// reference 4).
    #[schemars(range(min = 0.0))]
    pub spatial_encoder_rate: f64,
    /// Held-out clips that a validation looks at.
    #[schemars(range(min = 1))]
    pub validation_clips: usize,
    /// The training loop.
    pub train: TrainConfig,
}

impl Default for LaqStageConfig {
    fn default() -> Self {
        Self {
            model: LaqConfig::default(),
            codebook: CodebookConfig::default(),
            loss: LossConfig::default(),
            spatial_encoder_weights: None,
            spatial_encoder_rate: 0.1,
            validation_clips: 64,
            train: TrainConfig::default(),
        }
    }
}

/// Care of the codebook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CodebookConfig {
    /// Where the first codes come from.
    pub initialization: CodebookInitialization,
    /// When unused codes are replaced, and by what.
    pub replacement: ReplacementConfig,
    /// By what the learning rate is multiplied for the codebook. The encoder's outputs grow by a layer's weights, codes
    /// only by their own steps: at the common rate (1, as in the release) they are left behind in a short run.
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// What codes learn by.
    pub learning: CodebookLearning,
    /// With `learning = "averages"`: vectors that an old code weighs as much as, when those that chose it pull at it.
    #[schemars(range(min = 0.0))]
    pub memory: f64,
    /// Step from which the decoder reads quantised vectors (0 in the release). Before it, vectors pass as they are, and codes
    /// only look on: noise as long as the quantisation error drowns the little that a new encoder says of motion, and the
    /// decoder learns to do without. Whatever codes were by then, at this step they begin anew from the encoder's outputs.
    pub first_step: u64,
    /// Steps from there over which the noise that stands for the quantisation error grows from nothing to its length (0 in
    /// the release).
    pub noise_warm_up_steps: u64,
    /// With `laq.model.centered_transitions`: share of the way that averages and spread go to a batch's in a step.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub standard_rate: f64,
    /// The run warns when as few codes as this are effectively in use at a position of a transition (perplexity), on
    /// average, or fewer than 2 over all positions, in one line of metrics after another. 1 turns the alarm off.
    #[schemars(range(min = 1.0))]
    pub alarm_perplexity: f64,
}

impl Default for CodebookConfig {
    fn default() -> Self {
        Self {
            initialization: CodebookInitialization::EncoderOutputs,
            replacement: ReplacementConfig::default(),
            rate: 1.0,
            learning: CodebookLearning::Gradients,
            memory: 256.0,
            first_step: 0,
            noise_warm_up_steps: 0,
            standard_rate: 0.05,
            alarm_perplexity: 1.2,
        }
    }
}

impl CodebookConfig {
    /// Share of the noise in a step (from 0).
    pub fn noise_share(&self, step: u64) -> f64 {
        match step.checked_sub(self.first_step) {
            None => 0.0,
            Some(since) if since < self.noise_warm_up_steps => since as f64 / self.noise_warm_up_steps as f64,
            Some(_) => 1.0,
        }
    }
}

/// What codes learn by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CodebookLearning {
    /// Gradients of the loss, through the length of the noise, as in the release (reference 1).
    Gradients,
    /// The mean of the vectors that choose a code; the loss has no say.
    Averages,
}

/// Where the first codes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CodebookInitialization {
    /// The standard normal distribution, as in the release (reference 1).
    Normal,
    /// What the encoder puts out for the first batch, spread out.
    EncoderOutputs,
}

/// What is minimised.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Weights beside the reconstruction loss.
    pub weights: LossWeights,
    /// The perceptual loss.
    pub perceptual: PerceptualConfig,
    /// The optical-flow loss.
    pub flow: FlowConfig,
}

/// What finds the flow between frames.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowConfig {
    /// The estimator.
    pub network: FlowNetwork,
    /// Weights of RAFT, of torchvision (`.pth` or safetensors).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Clips of a batch whose flow is estimated; 0 for all. Fewer estimate the same loss with more noise and less work.
    pub clips: usize,
    /// How hard the estimator without a network tries.
    pub classical: ClassicalFlow,
}

/// What finds the flow between frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlowNetwork {
    /// No network: a pyramid, warps, a few iterations. Needs no weights.
    #[default]
    Classical,
    /// RAFT as in the release (reference 4).
    RaftLarge,
    /// The small RAFT.
    RaftSmall,
}

impl LaqStageConfig {
    /// What the types cannot say; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if let Err(error) = self.model.validate() {
            faults.push(("model".to_owned(), error.to_string()));
        }
        if self.validation_clips == 0 {
            faults.push(("validation_clips".to_owned(), "0 is less than 1".to_owned()));
        }
        let perceptual = self.loss.perceptual.faults().into_iter();
        faults.extend(perceptual.map(|reason| ("loss.perceptual".to_owned(), reason)));
        let is_raft = self.loss.flow.network != FlowNetwork::Classical;
        if is_raft != self.loss.flow.weights.is_some() {
            let reason = if is_raft { "RAFT needs a file of weights" } else { "only RAFT has weights" };
            faults.push(("loss.flow.weights".to_owned(), reason.to_owned()));
        }
        let of_loop = self.train.faults().into_iter();
        faults.extend(of_loop.map(|(key, reason)| (format!("train.{key}"), reason)));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::CodebookConfig;

    #[test]
    fn noise_begins_at_its_step_and_grows() {
        let release = CodebookConfig::default();
        assert_eq!([0, 1, 1000].map(|step| release.noise_share(step)), [1.0; 3]);
        let late = CodebookConfig { first_step: 100, noise_warm_up_steps: 10, ..release };
        assert_eq!([0, 99, 100, 105, 110, 1000].map(|step| late.noise_share(step)), [0.0, 0.0, 0.0, 0.5, 1.0, 1.0]);
    }
}
