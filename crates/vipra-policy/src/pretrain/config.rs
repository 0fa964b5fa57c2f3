//! What a run is told about pretraining: the section `pretrain` of a configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_data::picture::AugmentConfig;
use vipra_train::{CheckpointConfig, OptimizerConfig, TrainConfig};

use crate::layout::{Arrangement, Fields, TokenKind};
use crate::loss::TokenWeights;
use crate::model::TransformerConfig;

/// Pretraining on future frames and latent actions: the model and how it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainConfig {
    /// Sizes of the transformer.
    pub model: TransformerConfig,
    /// What a sample holds, in order; what stands in brackets is not predicted. Without `latent_state` or without
    /// `latent_action` the model learns the other alone.
    #[serde(default = "both")]
    pub fields: Fields,
    /// Steps from the current frame to the latent state, H; labels have as many transitions.
    #[schemars(range(min = 1))]
    pub horizon: usize,
    /// Transitions whose latent actions are predicted, the first ones; all of them at 0.
    pub transitions: usize,
    /// Rows of tokens.
    pub sequence: SequenceConfig,
    /// Weights of the kinds of tokens in the loss.
    pub loss: TokenWeights,
    /// Recompute activations in the backward pass to save memory; of little effect on `flex`, whose kernels keep their inputs.
    pub activation_checkpointing: bool,
    /// Random crops and colours of the frames. Latent actions stay those of the whole frames.
    pub augmentation: AugmentConfig,
    /// Versions of each episode to learn from: the original, and N-1 random augmentations, each of which costs one encoding of
    /// the episode and is kept in memory.
    #[schemars(range(min = 1))]
    pub views: u64,
    /// Held-out samples that a validation looks at, spread over the held-out episodes.
    #[schemars(range(min = 1))]
    pub validation_samples: usize,
    /// The training loop.
    pub train: TrainConfig,
}

/// Rows of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SequenceConfig {
    /// How samples share rows.
    pub arrangement: Arrangement,
    /// Most tokens of a row.
    #[schemars(range(min = 2))]
    pub length: usize,
    /// Most tokens of an instruction with the words around it; longer ones are cut, counted and named in a warning.
    #[schemars(range(min = 2))]
    pub instruction_tokens: usize,
}

impl Default for SequenceConfig {
    /// The release's (reference 7).
    fn default() -> Self {
        Self { arrangement: Arrangement::Padded, length: 1536, instruction_tokens: 128 }
    }
}

fn both() -> Fields {
    Fields::pretraining()
}

impl Default for PretrainConfig {
    /// The release's (reference 6.6), but for the batch, which eight GPUs share.
    fn default() -> Self {
        Self {
            model: TransformerConfig::default(),
            fields: both(),
            horizon: 14,
            transitions: 0,
            sequence: SequenceConfig::default(),
            loss: TokenWeights::default(),
            activation_checkpointing: false,
            augmentation: AugmentConfig::default(),
            views: 1,
            validation_samples: 256,
            train: TrainConfig {
                steps: 50_001,
                batch_size: 4,
                accumulation: 10,
                optimizer: OptimizerConfig {
                    learning_rate: 4e-5,
                    beta_2: 0.95,
                    clip_norm: 1.0,
                    ..OptimizerConfig::default()
                },
                checkpoint: CheckpointConfig::default(),
                ..TrainConfig::default()
            },
        }
    }
}

impl PretrainConfig {
    /// Transitions whose latent actions are predicted.
    pub fn predicted_transitions(&self) -> usize {
        if self.transitions == 0 { self.horizon } else { self.transitions }
    }

    /// Tokens of a sample's frames and latent actions, for frames of so many tokens and transitions of so many codes: a row must hold
    /// them, and whatever stands around them.
    pub fn least_row(&self, tokens_per_frame: usize, transition_codes: usize) -> usize {
        let tokens = |kind| match kind {
            TokenKind::Vision => 2 * tokens_per_frame / self.model.tokens_per_patch().max(1),
            TokenKind::LatentState => tokens_per_frame,
            TokenKind::LatentAction => self.predicted_transitions() * transition_codes,
            TokenKind::Text | TokenKind::Proprio | TokenKind::Action => 0,
        };
        self.fields.iter().map(|field| tokens(field.kind)).sum()
    }

    /// What the types cannot say; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if let Err(error) = self.model.validate() {
            faults.push(("model".to_owned(), error.to_string()));
        }
        if self.transitions > self.horizon {
            let reason = format!("{} are more than the {} of the horizon", self.transitions, self.horizon);
            faults.push(("transitions".to_owned(), reason));
        }
        for (key, value) in
            [("horizon", self.horizon), ("validation_samples", self.validation_samples), ("views", self.views as usize)]
        {
            if value == 0 {
                faults.push((key.to_owned(), "0 is less than 1".to_owned()));
            }
        }
        if (self.views > 1) != (self.augmentation != AugmentConfig::default()) {
            let reason =
                format!("{} with this `augmentation`: more than one view needs one, and it needs them", self.views);
            faults.push(("views".to_owned(), reason));
        }
        if !self.fields.predicted().any(|kind| self.loss.of(kind) > 0.0) {
            let reason = "nothing is predicted: neither `latent_state` nor `latent_action` stands without brackets and with a \
                          weight in `pretrain.loss`";
            faults.push(("fields".to_owned(), reason.to_owned()));
        }
        faults.extend(self.fields.misspelt().map(|reason| ("fields".to_owned(), reason)));
        if self.fields.iter().any(|field| field.kind == TokenKind::LatentState && !field.is_predicted) {
            let reason = "a latent state in brackets is read but not predicted: nobody has it when the model is used";
            faults.push(("fields".to_owned(), reason.to_owned()));
        }
        if [TokenKind::Action, TokenKind::Proprio].iter().any(|kind| self.fields.has(*kind)) {
            let reason = "videos have no actions and no proprioception: those fields are for finetuning";
            faults.push(("fields".to_owned(), reason.to_owned()));
        }
        let of_loop = self.train.faults().into_iter();
        faults.extend(of_loop.map(|(key, reason)| (format!("train.{key}"), reason)));
        faults
    }
}
