//! Sizes of the transformer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::ops::AnglePrecision;

use crate::trained::CodebookInfo;
use crate::{Error, Result};

/// A LLaMA-style transformer over text, frames and latent actions (reference 6.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransformerConfig {
    /// Width.
    #[schemars(range(min = 2))]
    pub dim: usize,
    /// Layers.
    #[schemars(range(min = 1))]
    pub layers: usize,
    /// Heads of attention.
    #[schemars(range(min = 1))]
    pub heads: usize,
    /// Inner width of the gated feed-forward layers.
    #[schemars(range(min = 1))]
    pub feed_forward: usize,
    /// Added to mean squares in norms.
    #[schemars(range(min = 0.0))]
    pub norm_epsilon: f64,
    /// Base of the rotary frequencies.
    #[schemars(range(min = 1.0))]
    pub rotary_theta: f64,
    /// How exactly rotary angles are computed. Released weights need `bfloat16` (reference 6.3).
    pub rotary_precision: RotaryPrecision,
    /// Initialise the embeddings of frame tokens from the tokenizer's code vectors (published: at random).
    pub start_from_code_vectors: bool,
    /// Add a learned embedding of each token's place in its frame (published: rotary angles alone).
    pub frame_positions: bool,
    /// Merge each N×N patch of an observed frame's tokens into one; 1 turns it off (published).
    #[schemars(range(min = 1))]
    pub merged_side: usize,
    /// Ids of the text vocabulary, at least; more than the tokenizer has for weights of others.
    pub least_text_vocabulary: usize,
    /// Ids of the vocabulary of frame tokens, at least (8448 in the release, of which 8194 mean something).
    pub least_vision_vocabulary: usize,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self {
            dim: 4096,
            layers: 32,
            heads: 32,
            feed_forward: 11_008,
            norm_epsilon: 1e-6,
            rotary_theta: 5e7,
            rotary_precision: RotaryPrecision::Float32,
            start_from_code_vectors: false,
            frame_positions: false,
            merged_side: 1,
            least_text_vocabulary: 0,
            least_vision_vocabulary: 0,
        }
    }
}

/// How exactly rotary angles are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RotaryPrecision {
    /// In 32 bits.
    Float32,
    /// Angles, cosines and sines rounded to bfloat16, as released weights were trained and served.
    Bfloat16,
}

impl From<RotaryPrecision> for AnglePrecision {
    fn from(precision: RotaryPrecision) -> Self {
        match precision {
            RotaryPrecision::Float32 => Self::Single,
            RotaryPrecision::Bfloat16 => Self::Brain,
        }
    }
}

/// Sizes of the vocabularies; each has an embedding of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabularies {
    /// Text tokens.
    pub text: usize,
    /// Frames: the tokenizer's codes, the end of a frame, the end of the last frame.
    pub vision: usize,
    /// Latent actions: the codes, the end of a transition.
    pub latent_action: usize,
    /// Places of a frame that have an embedding, the token that ends it included; 0 without such embeddings.
    #[serde(default)]
    pub frame_positions: usize,
    /// Rows and columns of a frame's tokens, for a model that merges them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_grid: Option<[usize; 2]>,
}

impl TransformerConfig {
    /// Tokens of an observed frame that are merged into one.
    pub fn tokens_per_patch(&self) -> usize {
        self.merged_side * self.merged_side
    }

    /// Channels of an attention head.
    pub fn head_dim(&self) -> usize {
        self.dim / self.heads.max(1)
    }

    /// Vocabularies for so many text tokens, frame tokens and codes of latent actions, at least as large as the configuration
    /// wants them. `frame_grid` is the number of rows and columns of a frame's tokens.
    pub fn vocabularies(
        &self,
        text: usize,
        frames: &CodebookInfo,
        frame_grid: [usize; 2],
        action_codes: usize,
    ) -> Vocabularies {
        Vocabularies {
            text: text.max(self.least_text_vocabulary),
            vision: (frames.codes + 2).max(self.least_vision_vocabulary),
            latent_action: action_codes + 1,
            frame_positions: if self.frame_positions { frames.length + 1 } else { 0 },
            frame_grid: (self.merged_side > 1).then_some(frame_grid),
        }
    }

    /// What keeps frames of these rows and columns of tokens from being merged, if anything does.
    pub fn merging_fault(&self, [rows, columns]: [usize; 2]) -> Option<String> {
        let side = self.merged_side;
        let divides = side > 0 && rows.is_multiple_of(side) && columns.is_multiple_of(side);
        (!divides)
            .then(|| format!("frames of {rows}×{columns} tokens do not divide into patches of `merged_side` {side}"))
    }

    /// Checks the sizes and reports every fault at once.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn validate(&self) -> Result<()> {
        let mut faults = Vec::new();
        if [self.dim, self.layers, self.heads, self.feed_forward].contains(&0) {
            faults.push("`dim`, `layers`, `heads` and `feed_forward` must not be 0".to_owned());
        } else if !self.dim.is_multiple_of(self.heads) || !self.head_dim().is_multiple_of(2) {
            let (dim, heads) = (self.dim, self.heads);
            faults.push(format!("`dim` {dim} does not divide into `heads` {heads} of an even number of channels"));
        }
        if self.merged_side == 0 {
            faults.push("`merged_side` must not be 0".to_owned());
        }
        if !(self.norm_epsilon > 0.0 && self.rotary_theta > 1.0) {
            faults.push("`norm_epsilon` must be above 0 and `rotary_theta` above 1".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults.join("; "))) }
    }
}
