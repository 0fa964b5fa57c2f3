//! The transformer.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use vipra_nn::ops::{self, AnglePrecision, Branches, CausalAttentionOptions, Pairs, RotaryTable};

use super::config::{RotaryPrecision, TransformerConfig, Vocabularies};
use super::frame_merger::FrameMerger;
use super::layer::{Layer, RmsNorm};
use super::tokens::Tokens;
use crate::layout::TokenKind;
use crate::{Error, Result};

/// Standard deviation of the initial embeddings and heads (reference 6.6).
const SPREAD: f64 = 0.02;

/// A causal transformer over tokens of several kinds, each with its own embedding and head (reference 6.1).
#[derive(Module, Debug)]
pub struct Transformer {
    /// `[vocabulary, dim]`
    pub text_embedding: Param<Tensor<2>>,
    /// `[vocabulary, dim]`; for observed frames and the latent state.
    pub vision_embedding: Param<Tensor<2>>,
    /// `[tokens_per_frame + 1, dim]`: a row for each token of a frame and one for its end, added to the embeddings of those tokens.
    pub frame_position_embedding: Option<Param<Tensor<2>>>,
    /// Merges each patch of an observed frame's tokens into one, if the model reads frames that way.
    pub frame_merger: Option<FrameMerger>,
    /// `[vocabulary, dim]`
    pub latent_action_embedding: Param<Tensor<2>>,
    /// The layers in their order.
    pub layers: Vec<Layer>,
    /// Norm before the heads.
    pub norm: RmsNorm,
    /// `dim → vocabulary`
    pub text_head: Linear,
    /// `dim → vocabulary`; for observed frames and the latent state.
    pub vision_head: Linear,
    /// `dim → vocabulary`
    pub latent_action_head: Linear,
    /// Head layout and rotary settings; no parameters.
    #[module(skip)]
    attention: AttentionConfig,
}

#[derive(Debug, Clone)]
struct AttentionConfig {
    heads: usize,
    head_dim: usize,
    theta: f64,
    precision: RotaryPrecision,
}

impl TransformerConfig {
    /// A model with random weights.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the sizes do not fit.
    pub fn init(&self, vocabularies: &Vocabularies, device: &Device) -> Result<Transformer> {
        self.validate()?;
        let dim = self.dim;
        let table =
            |ids: usize| Param::from_tensor(Tensor::random([ids, dim], Distribution::Normal(0.0, SPREAD), device));
        let head = |ids: usize| {
            let initializer = Initializer::Normal { mean: 0.0, std: SPREAD };
            LinearConfig::new(dim, ids).with_bias(false).with_initializer(initializer).init(device)
        };
        Ok(Transformer {
            text_embedding: table(vocabularies.text),
            vision_embedding: table(vocabularies.vision),
            frame_position_embedding: (vocabularies.frame_positions > 0).then(|| table(vocabularies.frame_positions)),
            frame_merger: vocabularies.frame_grid.map(|grid| FrameMerger::new(self, grid, device)).transpose()?,
            latent_action_embedding: table(vocabularies.latent_action),
            layers: (0..self.layers).map(|_| Layer::new(self, device)).collect(),
            norm: RmsNorm::new(dim, self.norm_epsilon, device),
            text_head: head(vocabularies.text),
            vision_head: head(vocabularies.vision),
            latent_action_head: head(vocabularies.latent_action),
            attention: AttentionConfig {
                heads: self.heads,
                head_dim: self.head_dim(),
                theta: self.rotary_theta,
                precision: self.rotary_precision,
            },
        })
    }
}

impl Transformer {
    /// Output of the last layer at each token, normalised for the heads. A token sees itself and what comes before it in its
    /// row, from `first_seen` on (see [`CausalAttentionOptions`]).
    ///
    /// # Shapes
    /// → `[rows, length, dim]`
    ///
    /// # Errors
    /// Those of [`embed`](Self::embed).
    pub fn forward(&self, tokens: Tokens<'_>, first_seen: Option<Vec<u32>>) -> Result<Tensor<3>> {
        Ok(self.forward_embedded(self.embed(tokens, &[])?, first_seen))
    }

    /// As [`forward`](Self::forward) for [embedded](Self::embed) tokens.
    ///
    /// # Shapes
    /// `[rows, length, dim]` → the same.
    pub fn forward_embedded(&self, x: Tensor<3>, first_seen: Option<Vec<u32>>) -> Tensor<3> {
        let rotary = self.rotary(0..x.dims()[1], first_seen.as_deref(), &x.device());
        self.attend(x, CausalAttentionOptions { heads: self.attention.heads, rotary, first_seen, branches: None })
    }

    /// As [`forward_embedded`](Self::forward_embedded) for rows that continue in several ways.
    ///
    /// # Shapes
    /// `[rows, length, dim]` → the same.
    pub fn forward_branches(&self, x: Tensor<3>, first_seen: Option<Vec<u32>>, branches: Branches) -> Tensor<3> {
        let rotary = self.rotary(branches.positions(x.dims()[1]), first_seen.as_deref(), &x.device());
        let heads = self.attention.heads;
        self.attend(x, CausalAttentionOptions { heads, rotary, first_seen, branches: Some(branches) })
    }

    fn attend(&self, x: Tensor<3>, attention: CausalAttentionOptions) -> Tensor<3> {
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x, &attention));
        self.norm.forward(x)
    }

    /// Heads of attention.
    pub(super) fn heads(&self) -> usize {
        self.attention.heads
    }

    /// Width of the model.
    pub fn dim(&self) -> usize {
        self.attention.heads * self.attention.head_dim
    }

    /// Logits of the vocabulary of a kind.
    ///
    /// # Shapes
    /// `[.., dim]` → `[.., vocabulary]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for kinds without a vocabulary.
    pub fn logits<const D: usize>(&self, kind: TokenKind, hidden: Tensor<D>) -> Result<Tensor<D>> {
        let head = match kind {
            TokenKind::Text => &self.text_head,
            TokenKind::Vision | TokenKind::LatentState => &self.vision_head,
            TokenKind::LatentAction => &self.latent_action_head,
            TokenKind::Proprio | TokenKind::Action => return Err(no_vocabulary(kind)),
        };
        Ok(ops::linear(head, hidden))
    }

    /// Angles of tokens at `positions` of each row. With exact angles, attention depends on distances alone, so that all rows
    /// share them wherever their samples begin (`first_seen`, `[rows, tokens]`). With rounded angles it depends on positions as
    /// well: then each sample begins at position 0.
    pub(super) fn rotary(
        &self,
        positions: impl IntoIterator<Item = usize>,
        first_seen: Option<&[u32]>,
        device: &Device,
    ) -> RotaryTable {
        let AttentionConfig { head_dim, theta, precision, .. } = self.attention;
        let (precision, pairs) = (precision.into(), Pairs::Neighbours);
        let Some(first_seen) = first_seen.filter(|_| precision == AnglePrecision::Brain) else {
            return RotaryTable::of(positions, head_dim, theta, precision, pairs, device);
        };
        let positions: Vec<usize> = positions.into_iter().collect();
        let in_rows = positions.iter().cycle().zip(first_seen);
        let in_samples = in_rows.map(|(position, first)| position.saturating_sub(*first as usize));
        let rows = first_seen.len() / positions.len().max(1);
        RotaryTable::of_rows(rows, in_samples, head_dim, theta, precision, pairs, device)
    }
}

pub(super) fn no_vocabulary(kind: TokenKind) -> Error {
    Error::Invalid(format!("tokens of kind {kind} have no vocabulary in this model"))
}

#[cfg(test)]
mod tests;
