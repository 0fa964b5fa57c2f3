//! Causal attention to tokens that were read before: what a language model speaks with.

use burn::tensor::Tensor;

use super::causal::{attend, split_heads};
use super::flex::attention::{AttentionToCache, SplitPart};
use super::flex::{run, serves_outside_of_graphs};
use super::rope::{RotaryTable, rotate};

/// What attention to a cache takes beside projection and cache.
#[derive(Debug, Clone)]
pub struct CachedAttentionOptions {
    /// Heads.
    pub heads: usize,
    /// Angles of the new tokens.
    pub rotary: RotaryTable,
    /// Tokens at the beginning of each row that do not count, `[batch]`, where rows are padded on the left; each sees itself.
    pub left_padding: Option<Vec<u32>>,
}

/// Keys and values of tokens that were read, `[batch, heads, tokens, head_dim]` each; keys are rotated already.
#[derive(Debug, Clone)]
pub struct KeysValues {
    /// Keys.
    pub keys: Tensor<4>,
    /// Values.
    pub values: Tensor<4>,
}

impl KeysValues {
    /// Those of a projection.
    ///
    /// # Shapes
    /// `projected`: `[batch, tokens, 3·heads·head_dim]`: queries, keys, values
    pub fn new(projected: Tensor<3>, options: &CachedAttentionOptions) -> Self {
        let CachedAttentionOptions { heads, rotary, .. } = options;
        if !serves_outside_of_graphs(&projected) {
            let [_, key, value] = split_heads(projected, *heads);
            return Self { keys: rotate(key, rotary), values: value };
        }
        let (keys, values) = (
            SplitPart { part: 1, heads: *heads, rotary: Some(rotary.clone().into()) },
            SplitPart { part: 2, heads: *heads, rotary: None },
        );
        Self { keys: run!(keys, projected.clone()), values: run!(values, projected) }
    }

    /// These, and others behind them.
    pub fn followed_by(&self, others: Self) -> Self {
        let behind = |first: &Tensor<4>, second| Tensor::cat(vec![first.clone(), second], 2);
        Self { keys: behind(&self.keys, others.keys), values: behind(&self.values, others.values) }
    }

    /// The same for each of `rows` rows, of one row.
    pub fn repeat(&self, rows: usize) -> Self {
        let repeated = |held: &Tensor<4>| held.clone().repeat_dim(0, rows);
        Self { keys: repeated(&self.keys), values: repeated(&self.values) }
    }
}

/// Attention of new tokens to those that are `held`, and to themselves and what comes before among the new ones, scaled by
/// `1/√head_dim`.
///
/// # Shapes
/// `projected`: `[batch, new, 3·heads·head_dim]`: queries, keys, values → `[batch, new, heads·head_dim]`
pub fn cached_attention(
    projected: Tensor<3>,
    held: Option<&KeysValues>,
    options: &CachedAttentionOptions,
) -> Tensor<3> {
    if !serves_outside_of_graphs(&projected) {
        return cached_attention_unfused(projected, held, options);
    }
    let kernel = AttentionToCache {
        heads: options.heads,
        rotary: options.rotary.clone().into(),
        left_padding: options.left_padding.clone(),
    };
    match held {
        Some(held) => run!(kernel, projected, held.keys.clone(), held.values.clone()),
        None => run!(kernel, projected),
    }
}

/// [`cached_attention`] unfused.
pub(super) fn cached_attention_unfused(
    projected: Tensor<3>,
    held: Option<&KeysValues>,
    options: &CachedAttentionOptions,
) -> Tensor<3> {
    let CachedAttentionOptions { heads, rotary, left_padding } = options;
    let [batch, new, width] = projected.dims();
    let [query, key, value] = split_heads(projected, *heads);
    let read = KeysValues { keys: rotate(key, rotary), values: value };
    let KeysValues { keys, values } = match held {
        Some(held) => held.followed_by(read),
        None => read,
    };
    let first_seen = left_padding
        .as_ref()
        .map(|first| -> Vec<u32> { first.iter().flat_map(|first| std::iter::repeat_n(*first, new)).collect() });
    let attended = attend(rotate(query, rotary), keys, values, first_seen.as_deref(), None);
    attended.swap_dims(1, 2).reshape([batch, new, width / 3])
}
