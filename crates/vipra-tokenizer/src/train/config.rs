//! Configuration of a tokenizer training: the section `tokenizer`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_data::picture::{Fit, ImageConfig, Resampling};
use vipra_nn::perceptual::{Lpips, PerceptualConfig};
use vipra_train::TrainConfig;

use crate::{Description, TextConfig, VqganConfig};

/// Frame and text tokens: the model and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerStageConfig {
    /// Size of the model, and of its frames.
    pub model: VqganConfig,
    /// What happens to the aspect ratio when frames are brought to the model's size (the release's, reference 7).
    pub fit: Fit,
    /// How pixels are interpolated then (the release's, reference 7).
    pub resampling: Resampling,
    /// What is minimised.
    pub loss: LossConfig,
    /// How codes follow what they code, and what happens to unused ones.
    pub codebook: CodebookConfig,
    /// Tokens of instructions.
    pub text: TextConfig,
    /// Weights to start from: the reference's, or those of an earlier run (`.pth` or safetensors).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Held-out frames that a validation looks at.
    #[schemars(range(min = 1))]
    pub validation_frames: usize,
    /// The training loop; a batch is of frames.
    pub train: TrainConfig,
}

impl Default for TokenizerStageConfig {
    fn default() -> Self {
        Self {
            model: VqganConfig::default(),
            fit: Fit::LongestSideThenStretch,
            resampling: Resampling::Bilinear,
            loss: LossConfig::default(),
            codebook: CodebookConfig::default(),
            text: TextConfig::default(),
            weights: None,
            validation_frames: 256,
            train: TrainConfig::default(),
        }
    }
}

/// What is minimised beside the mean absolute error of a pixel, in [0, 1], and how pixels count in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Weights pixels by how rare their colour is in the batch, to this power. With 0 all weigh alike, and small objects may
    /// vanish.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rarity: f64,
    /// Weight of the mean squared error of pixels, which punishes a missing small object more than the absolute error does; 0
    /// turns it off.
    #[schemars(range(min = 0.0))]
    pub squared_weight: f64,
    /// Weight of the perceptual loss; 0 leaves it out.
    #[schemars(range(min = 0.0))]
    pub perceptual_weight: f64,
    /// Weight of the squared distance of what is coded from its code, which keeps the encoder near its codes.
    #[schemars(range(min = 0.0))]
    pub commitment_weight: f64,
    /// Weight of the penalty for tokens that change when other parts of the frame do, for which half of each batch is put
    /// together from two frames; 0 turns it off.
    #[schemars(range(min = 0.0))]
    pub locality_weight: f64,
    /// The perceptual loss.
    pub perceptual: PerceptualConfig,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            rarity: 0.0,
            squared_weight: 0.0,
            perceptual_weight: 0.1,
            commitment_weight: 0.1,
            locality_weight: 0.0,
            perceptual: PerceptualConfig::default(),
        }
    }
}

/// How the codebook learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CodebookConfig {
    /// The step at which quantisation begins. Encoder and decoder learn faster without it; validations before it mean little.
    pub first_step: u64,
    /// The inertia of a code, in vectors: how many old ones its mean counts beside those that chose it in a step.
    #[schemars(range(min = 0.0))]
    pub memory: f64,
    /// Steps from one replacement of unused codes to the next; 0 for none.
    pub replace_every: u64,
    /// A code counts as unused below this fraction of its fair share.
    #[schemars(range(min = 0.0))]
    pub unused_below: f32,
    /// Fraction of the training after which codes are no longer replaced.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub replace_until: f64,
    /// The run warns when a smaller share of the codes than this is in use in one line of metrics after another.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alarm_share: f64,
}

impl Default for CodebookConfig {
    fn default() -> Self {
        Self {
            first_step: 0,
            memory: 20.0,
            replace_every: 50,
            unused_below: 0.1,
            replace_until: 0.8,
            alarm_share: 0.05,
        }
    }
}

impl CodebookConfig {
    /// Whether unused codes are replaced after `done` steps of a run of `steps`.
    pub fn is_due(&self, done: u64, steps: u64) -> bool {
        self.replace_every > 0
            && done.is_multiple_of(self.replace_every)
            && (done as f64) < self.replace_until * steps as f64
    }
}

impl TokenizerStageConfig {
    /// How pictures become frames of the model.
    pub fn image(&self) -> ImageConfig {
        let [height, width] = self.model.frame_size;
        ImageConfig { width, height, fit: self.fit, resampling: self.resampling }
    }

    /// The description that is stored with the model's weights.
    pub fn description(&self) -> Description {
        Description { model: self.model.clone(), image: self.image() }
    }

    /// Checks what the types cannot express; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if let Err(error) = self.model.validate() {
            faults.push(("model".to_owned(), error.to_string()));
        }
        if self.validation_frames == 0 {
            faults.push(("validation_frames".to_owned(), "0 is less than 1".to_owned()));
        }
        let numbers = [
            ("loss.rarity", self.loss.rarity),
            ("loss.squared_weight", self.loss.squared_weight),
            ("loss.perceptual_weight", self.loss.perceptual_weight),
            ("loss.commitment_weight", self.loss.commitment_weight),
            ("loss.locality_weight", self.loss.locality_weight),
            ("codebook.memory", self.codebook.memory),
            ("codebook.unused_below", f64::from(self.codebook.unused_below)),
            ("codebook.replace_until", self.codebook.replace_until),
            ("codebook.alarm_share", self.codebook.alarm_share),
        ];
        let wrong = numbers.into_iter().filter(|(_, value)| !value.is_finite() || *value < 0.0);
        faults.extend(wrong.map(|(key, value)| (key.to_owned(), format!("{value} is not a number from 0 on"))));
        if self.loss.rarity > 1.0 {
            faults.push(("loss.rarity".to_owned(), format!("{} is more than 1", self.loss.rarity)));
        }
        if self.codebook.first_step >= self.train.steps.max(1) {
            let (first, steps) = (self.codebook.first_step, self.train.steps);
            faults.push(("codebook.first_step".to_owned(), format!("{first} comes after the last of {steps} steps")));
        }
        if self.weights.is_some() && self.codebook.first_step > 0 {
            let reason = "the codes that come with `weights` would be thrown away: it must be 0 then".to_owned();
            faults.push(("codebook.first_step".to_owned(), reason));
        }
        let (frames, takes_two) = (self.train.batch_size, self.loss.locality_weight > 0.0);
        if takes_two && (!frames.is_multiple_of(2) || frames < 4) {
            let reason = format!("{frames} is not an even number from 4 on, as `loss.locality_weight` wants");
            faults.push(("train.batch_size".to_owned(), reason));
        }
        let perceptual = self.loss.perceptual.faults().into_iter();
        faults.extend(perceptual.map(|reason| ("loss.perceptual".to_owned(), reason)));
        if self.loss.perceptual_weight != 0.0
            && let Some(reason) = Lpips::size_fault(self.model.frame_size)
        {
            faults.push(("loss.perceptual_weight".to_owned(), format!("{reason}; 0 leaves it out")));
        }
        let inside = |section: &'static str, list: Vec<(String, String)>| {
            list.into_iter().map(move |(key, reason)| (format!("{section}.{key}"), reason))
        };
        faults.extend(inside("text", self.text.faults()));
        faults.extend(inside("train", self.train.faults()));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::TokenizerStageConfig;

    #[test]
    fn frames_that_are_too_small_for_the_perceptual_loss_are_a_fault() {
        let keys = |width: usize, weight: f64| -> Vec<String> {
            let mut config = TokenizerStageConfig::default();
            (config.model.frame_size, config.model.multipliers) = ([32, width], vec![1, 1]);
            config.loss.perceptual_weight = weight;
            config.faults().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(8, 0.1), ["loss.perceptual_weight"]);
        assert!(keys(8, 0.0).is_empty() && keys(16, 0.1).is_empty());
    }
}
