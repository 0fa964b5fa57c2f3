//! Causal attention to tokens that were read before: what a language model speaks with.

use burn::tensor::Tensor;

use super::causal::{attend, split_heads};
use super::flex::attention::{CachedAttention as Cached, SplitPart};
use super::flex::{run, serves_outside_of_graphs};
use super::rope::{RotaryTable, rotate};

/// What attention to a cache takes beside projection and cache.
#[derive(Debug, Clone)]
pub struct CachedAttention {
    /// Heads.
    pub heads: usize,
    /// Angles of the new tokens.
    pub rotary: RotaryTable,
    /// First token of each row that counts, `[batch]`, where rows are padded on the left.
    pub first_seen: Option<Vec<u32>>,
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
    pub fn new(projected: Tensor<3>, attention: &CachedAttention) -> Self {
        let CachedAttention { heads, rotary, .. } = attention;
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
pub fn cached_attention(projected: Tensor<3>, held: Option<&KeysValues>, attention: &CachedAttention) -> Tensor<3> {
    if !serves_outside_of_graphs(&projected) {
        return cached_attention_of_parts(projected, held, attention);
    }
    let kernel = Cached {
        heads: attention.heads,
        rotary: attention.rotary.clone().into(),
        first_seen: attention.first_seen.clone(),
    };
    match held {
        Some(held) => run!(kernel, projected, held.keys.clone(), held.values.clone()),
        None => run!(kernel, projected),
    }
}

/// [`cached_attention`] as a chain.
pub(super) fn cached_attention_of_parts(
    projected: Tensor<3>,
    held: Option<&KeysValues>,
    attention: &CachedAttention,
) -> Tensor<3> {
    let CachedAttention { heads, rotary, first_seen } = attention;
    let [batch, new, width] = projected.dims();
    let [query, key, value] = split_heads(projected, *heads);
    let read = KeysValues { keys: rotate(key, rotary), values: value };
    let KeysValues { keys, values } = match held {
        Some(held) => held.followed_by(read),
        None => read,
    };
    let per_token = first_seen
        .as_ref()
        .map(|first| -> Vec<u32> { first.iter().flat_map(|first| std::iter::repeat_n(*first, new)).collect() });
    let attended = attend(rotate(query, rotary), keys, values, per_token.as_deref(), None);
    attended.swap_dims(1, 2).reshape([batch, new, width / 3])
}
