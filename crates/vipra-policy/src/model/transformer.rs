//! The transformer.

use std::iter::repeat_n;
use std::ops::Range;

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use vipra_nn::ops::{
    self, AnglePrecision, Branches, CachedAttentionOptions, CausalAttentionOptions, KeysValues, Pairs, RotaryTable,
};

use super::config::{RotaryPrecision, TransformerConfig, Vocabularies};
use super::frame_merger::FrameMerger;
use super::kv_cache::KvCache;
use super::layer::{Layer, RmsNorm};
use super::tokens::Tokens;
use crate::layout::Kind;
use crate::{Error, Result};

/// Spread of the embeddings and of the heads at first (reference 6.6).
const SPREAD: f64 = 0.02;

/// A causal transformer over tokens of several kinds, each with an embedding and a head of its own (reference 6.1).
#[derive(Module, Debug)]
pub struct Transformer {
    /// `[vocabulary, dim]`
    pub text_embedding: Param<Tensor<2>>,
    /// `[vocabulary, dim]`; of observed frames and of the latent state.
    pub vision_embedding: Param<Tensor<2>>,
    /// `[tokens of a frame and its end, dim]`; added to the embeddings of a frame's tokens, if the model has it.
    pub frame_position_embedding: Option<Param<Tensor<2>>>,
    /// Makes tokens of squares of an observed frame, if the model reads them so.
    pub frame_merger: Option<FrameMerger>,
    /// `[vocabulary, dim]`
    pub latent_action_embedding: Param<Tensor<2>>,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Before the heads.
    pub norm: RmsNorm,
    /// `dim → vocabulary`
    pub text_head: Linear,
    /// `dim → vocabulary`; of observed frames and of the latent state.
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
    /// What the last layer says about each token, normalised for the heads. A token sees itself and what comes before in
    /// its row, from `first_seen` on (see [`CausalAttentionOptions`]).
    ///
    /// # Shapes
    /// → `[rows, length, dim]`
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for an id that its vocabulary does not have.
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

    /// As [`forward_embedded`](Self::forward_embedded) for rows that go on in several ways.
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

    /// As [`forward`](Self::forward) for tokens behind those of a cache, to which they are added.
    ///
    /// # Shapes
    /// → `[rows, new, dim]`
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn forward_cached(&self, tokens: Tokens<'_>, cache: &mut KvCache) -> Result<Tensor<3>> {
        let x = self.embed(tokens, &[])?;
        let new = x.dims()[1];
        let x = self.run_layers_cached(x, 0..new, 0..self.layers.len(), cache);
        cache.length += new;
        Ok(self.norm.forward(x))
    }

    /// As [`forward_cached`](Self::forward_cached) for [embedded](Self::embed) tokens, at least one, but the output of the last
    /// one alone: of those before it, the last layer computes keys and values alone.
    ///
    /// # Shapes
    /// `[rows, new, dim]` → `[rows, 1, dim]`
    pub fn forward_cached_last(&self, x: Tensor<3>, cache: &mut KvCache) -> Tensor<3> {
        let (new, last) = (x.dims()[1], self.layers.len() - 1);
        let x = self.run_layers_cached(x, 0..new, 0..last, cache);
        if new > 1 {
            let projected = self.layers[last].project(x.clone().narrow(1, 0, new - 1));
            let read = KeysValues::new(projected, &self.attention_behind(0..new - 1, cache, &x.device()));
            cache.extend(last, read);
        }
        let x = self.run_layers_cached(x.narrow(1, new - 1, 1), new - 1..new, last..last + 1, cache);
        cache.length += new;
        self.norm.forward(x)
    }

    /// As [`forward_cached`](Self::forward_cached) for [embedded](Self::embed) tokens, but the cache stays as it is: for
    /// tokens that will be others the next time.
    ///
    /// # Shapes
    /// `[rows, new, dim]` → the same.
    pub fn forward_cached_readonly(&self, x: Tensor<3>, cache: &KvCache) -> Tensor<3> {
        let attention = self.attention_behind(0..x.dims()[1], cache, &x.device());
        let layers = self.layers.iter().enumerate();
        let x = layers.fold(x, |x, (index, layer)| layer.forward_behind(x, cache.layers.get(index), &attention).0);
        self.norm.forward(x)
    }

    /// Runs some of the layers on the `new`th tokens behind a cache, and adds their keys and values to it.
    fn run_layers_cached(
        &self,
        x: Tensor<3>,
        new: Range<usize>,
        layers: Range<usize>,
        cache: &mut KvCache,
    ) -> Tensor<3> {
        let attention = self.attention_behind(new, cache, &x.device());
        layers.fold(x, |x, index| {
            let (x, projected) = self.layers[index].forward_behind(x, cache.layers.get(index), &attention);
            cache.extend(index, KeysValues::new(projected, &attention));
            x
        })
    }

    fn attention_behind(&self, new: Range<usize>, cache: &KvCache, device: &Device) -> CachedAttentionOptions {
        let of_rows = |padding: &Vec<u32>| padding.iter().flat_map(|first| repeat_n(*first, new.len())).collect();
        let first_seen: Option<Vec<u32>> = cache.left_padding.as_ref().map(of_rows);
        let positions = cache.length + new.start..cache.length + new.end;
        CachedAttentionOptions {
            heads: self.attention.heads,
            rotary: self.rotary(positions, first_seen.as_deref(), device),
            left_padding: cache.left_padding.clone(),
        }
    }

    /// Width.
    pub fn dim(&self) -> usize {
        self.attention.heads * self.attention.head_dim
    }

    /// Scores of the vocabulary of a kind.
    ///
    /// # Shapes
    /// `[.., dim]` → `[.., vocabulary]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for kinds that are no tokens of a vocabulary.
    pub fn logits<const D: usize>(&self, kind: Kind, hidden: Tensor<D>) -> Result<Tensor<D>> {
        let head = match kind {
            Kind::Text => &self.text_head,
            Kind::Vision | Kind::LatentState => &self.vision_head,
            Kind::LatentAction => &self.latent_action_head,
            Kind::Proprio | Kind::Action => return Err(no_vocabulary(kind)),
        };
        Ok(ops::linear(head, hidden))
    }

    /// Angles of tokens at `positions` of each row. Exact angles tell nothing but distances, so that rows share them wherever
    /// their samples begin (`first_seen`, `[rows, tokens]`). Rounded ones do not: there, each sample begins at position 0.
    fn rotary(
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

pub(super) fn no_vocabulary(kind: Kind) -> Error {
    Error::Invalid(format!("tokens of kind {kind} have no vocabulary in this model"))
}

#[cfg(test)]
mod tests;
