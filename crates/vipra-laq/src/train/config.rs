//! Configuration of a latent action training: the section `laq`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_data::DataConfig;
use vipra_nn::optical_flow::ClassicalFlow;
use vipra_nn::perceptual::{Lpips, PerceptualConfig};
use vipra_train::TrainConfig;

use crate::LaqConfig;
use crate::loss::LossWeights;
use crate::quantizer::ReplacementConfig;

/// The sides of RAFT's frames are multiples of this.
const RAFT_FACTOR: usize = 8;
/// Smallest side of RAFT's frames.
const RAFT_SMALLEST_SIDE: usize = 128;

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

/// How the codebook learns.
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
    /// With `averages`: the inertia of a code, in vectors; larger moves more slowly.
    #[schemars(range(min = 0.0))]
    pub memory: f64,
    /// The step at which quantisation begins. Vectors pass unquantised before it, since early noise would drown the motion; at
    /// it codes are initialised from the encoder's outputs (published: 0).
    pub first_step: u64,
    /// Steps over which the quantiser's noise then grows to its full strength (published: 0).
    pub noise_warm_up_steps: u64,
    /// With `centered_transitions`: the rate at which the running mean and standard deviation are updated.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub standard_rate: f64,
    /// Warn of a collapsed codebook when the mean perplexity per position stays below this, or that of all positions below 2
    /// (below a quarter of the codes, if that is less); 1 turns it off.
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
    /// Scale of the noise in a step, counted from 0.
    pub fn noise_scale(&self, step: u64) -> f64 {
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
    pub flow: OpticalFlowConfig,
}

/// What finds the flow between frames.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpticalFlowConfig {
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
    /// Checks what the types cannot express; every fault as (key, what is wrong).
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
        if self.loss.weights.perceptual != 0.0
            && let Some(reason) = Lpips::size_fault(self.model.frame_size)
        {
            faults.push(("loss.weights.perceptual".to_owned(), format!("{reason}; 0 leaves it out")));
        }
        let is_raft = self.loss.flow.network != FlowNetwork::Classical;
        if is_raft != self.loss.flow.weights.is_some() {
            let reason = if is_raft { "RAFT needs a file of weights" } else { "only RAFT has weights" };
            faults.push(("loss.flow.weights".to_owned(), reason.to_owned()));
        }
        if self.has_flow_loss() {
            let of_flow = flow_faults(&self.loss.flow, self.model.frame_size).into_iter();
            faults.extend(of_flow.map(|(key, reason)| (format!("loss.flow.{key}"), reason)));
        }
        let of_loop = self.train.faults().into_iter();
        faults.extend(of_loop.map(|(key, reason)| (format!("train.{key}"), reason)));
        faults
    }

    /// Checks that the model can learn from the clips of these data; every fault as (key in the whole configuration, what is
    /// wrong).
    pub fn clip_faults(&self, data: &DataConfig) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, reason: String| faults.push((key.to_owned(), reason));
        let [height, width] = self.model.frame_size;
        if [data.image.height, data.image.width] != [height, width] {
            let (rows, columns) = (data.image.height, data.image.width);
            fault(
                "laq.model.frame_size",
                format!("{height}×{width}, but the data are brought to {rows}×{columns} (`data.image`)"),
            );
        }
        let (frames, centered) = (data.clip.frames, self.model.centered_transitions);
        if centered > 0 && centered + 1 != frames {
            let transitions = frames.saturating_sub(1);
            fault(
                "laq.model.centered_transitions",
                format!("{centered}, but clips of {frames} frames have {transitions} (`data.clip.frames`)"),
            );
        }
        if frames < 2 {
            fault("data.clip.frames", "latent actions need clips of at least 2 frames".to_owned());
        } else if frames < 3 && self.has_flow_loss() {
            let reason = "the flow loss looks at two rebuilt frames in a row, and of a clip of 2 frames one is rebuilt: take \
                          longer clips, or set `laq.loss.weights.flow.weight` to 0";
            fault("data.clip.frames", reason.to_owned());
        }
        faults
    }

    /// Whether the run reaches a step in which the flow loss has a weight.
    pub fn has_flow_loss(&self) -> bool {
        self.loss.weights.flow.at(self.train.steps.saturating_sub(1)).is_some()
    }
}

/// Checks that optical flow can be estimated, and depends on the frames. Otherwise the run would only fail when the flow loss
/// begins, with most of its steps done.
fn flow_faults(config: &OpticalFlowConfig, [height, width]: [usize; 2]) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, reason: String| faults.push((key.to_owned(), reason));
    if config.network != FlowNetwork::Classical {
        let fits = |side: usize| side >= RAFT_SMALLEST_SIDE && side.is_multiple_of(RAFT_FACTOR);
        if !fits(height) || !fits(width) {
            fault(
                "network",
                format!(
                    "RAFT needs frames whose sides are multiples of {RAFT_FACTOR} and at least {RAFT_SMALLEST_SIDE} \
                     pixels, and `laq.model.frame_size` is {height}×{width}"
                ),
            );
        }
        return faults;
    }
    let ClassicalFlow { smallest_side, warps, relaxations, smoothness, .. } = config.classical;
    if smallest_side > height.min(width) {
        let reason = format!("{smallest_side} is more than a side of `laq.model.frame_size`, {height}×{width}");
        fault("classical.smallest_side", reason);
    }
    for (key, count) in [("classical.warps", warps), ("classical.relaxations", relaxations)] {
        if count == 0 {
            fault(key, "0 is less than 1".to_owned());
        }
    }
    // Where a picture is flat, the flow is divided by the square.
    let square = (smoothness * smoothness) as f32;
    if !(square.is_normal() && smoothness > 0.0) {
        fault("classical.smoothness", format!("{smoothness} is not a number above 0 whose square is one in 32 bits"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use vipra_data::DataConfig;
    use vipra_nn::optical_flow::raft::RaftConfig;

    use super::{CodebookConfig, FlowNetwork, LaqStageConfig, RAFT_FACTOR, RAFT_SMALLEST_SIDE};

    /// Keys of the faults of the default configuration after an edit.
    fn faults(edit: impl FnOnce(&mut LaqStageConfig)) -> Vec<String> {
        let mut config = LaqStageConfig::default();
        edit(&mut config);
        config.faults().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn clips_that_do_not_fit_are_faults() {
        let mut data = DataConfig::default();
        let found = |data: &DataConfig, edit: fn(&mut LaqStageConfig)| {
            let mut config = LaqStageConfig::default();
            edit(&mut config);
            config.clip_faults(data).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(found(&data, |_| {}), [""; 0]);
        assert_eq!(found(&data, |config| config.model.frame_size = [32, 32]), ["laq.model.frame_size"]);
        assert_eq!(found(&data, |config| config.model.centered_transitions = 3), ["laq.model.centered_transitions"]);
        data.clip.frames = 3;
        assert_eq!(found(&data, |_| {}), [""; 0]);
        data.clip.frames = 2;
        assert_eq!(found(&data, |_| {}), ["data.clip.frames"]);
        assert_eq!(found(&data, |config| config.loss.weights.flow.weight = 0.0), [""; 0]);
    }

    #[test]
    fn what_the_flow_loss_cannot_do_is_a_fault_from_the_beginning() {
        let hopeless = |config: &mut LaqStageConfig| {
            let classical = &mut config.loss.flow.classical;
            (classical.smallest_side, classical.warps, classical.relaxations) = (65, 0, 0);
            classical.smoothness = 0.0;
        };
        let keys = ["smallest_side", "warps", "relaxations", "smoothness"];
        assert_eq!(faults(hopeless), keys.map(|key| format!("loss.flow.classical.{key}")));
        for smoothness in [-1.0, 1e-30, f64::NAN, f64::INFINITY] {
            let found = faults(|config| config.loss.flow.classical.smoothness = smoothness);
            assert_eq!(found, ["loss.flow.classical.smoothness"], "{smoothness}");
        }
        let raft = |config: &mut LaqStageConfig| {
            config.loss.flow.network = FlowNetwork::RaftSmall;
            config.loss.flow.weights = Some("raft.pth".into());
        };
        assert_eq!(faults(raft), ["loss.flow.network"], "frames of 64 pixels");
        let large = |config: &mut LaqStageConfig| {
            raft(config);
            config.model.frame_size = [128, 128];
        };
        assert!(faults(large).is_empty());

        // Nothing of it matters to a run that has no such loss, or ends before it.
        let weightless = |config: &mut LaqStageConfig| {
            hopeless(config);
            config.loss.weights.flow.weight = 0.0;
        };
        let short = |config: &mut LaqStageConfig| {
            hopeless(config);
            config.train.steps = config.loss.weights.flow.start_step;
        };
        assert!(faults(|_| {}).is_empty() && faults(weightless).is_empty() && faults(short).is_empty());
    }

    #[test]
    fn frames_that_are_too_small_for_the_perceptual_loss_are_a_fault() {
        let with = |side: usize, weight: f64| {
            faults(|config| {
                (config.model.frame_size, config.model.patch) = ([side; 2], 2);
                (config.loss.weights.perceptual, config.loss.weights.flow.weight) = (weight, 0.0);
            })
        };
        assert_eq!(with(8, 0.5), ["loss.weights.perceptual"]);
        assert!(with(8, 0.0).is_empty() && with(16, 0.5).is_empty());
    }

    #[test]
    fn raft_refuses_the_same_sizes() {
        let device = Device::flex();
        let raft = RaftConfig::small().init(&device);
        let small = RAFT_SMALLEST_SIDE - RAFT_FACTOR;
        let message = raft.encode(Tensor::zeros([1, 3, small, 256], &device)).unwrap_err().to_string();
        let sizes = format!("multiples of {RAFT_FACTOR} and at least {RAFT_SMALLEST_SIDE} pixels");
        assert!(message.contains(&sizes), "{message}");
    }

    #[test]
    fn noise_begins_at_its_step_and_grows() {
        let release = CodebookConfig::default();
        assert_eq!([0, 1, 1000].map(|step| release.noise_scale(step)), [1.0; 3]);
        let late = CodebookConfig { first_step: 100, noise_warm_up_steps: 10, ..release };
        assert_eq!([0, 99, 100, 105, 110, 1000].map(|step| late.noise_scale(step)), [0.0, 0.0, 0.0, 0.5, 1.0, 1.0]);
    }
}
