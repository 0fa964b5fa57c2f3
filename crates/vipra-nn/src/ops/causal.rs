//! Causal attention of a language model while it learns, samples packed into rows.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Tensor, TensorData, module};

use super::flex::attention::{AttentionKind, SelfAttention};
use super::flex::{run, serves};
use super::rope::{RotaryTable, rotate};

/// What causal attention takes beside the projection.
#[derive(Debug, Clone)]
pub struct CausalAttentionOptions {
    /// Heads.
    pub heads: usize,
    /// Angles of the tokens.
    pub rotary: RotaryTable,
    /// First token that each token sees, `[batch, tokens]`: where its sample begins, if several are packed into a row, or
    /// where the padding on the left ends. Everything up to itself, without.
    pub first_seen: Option<Vec<u32>>,
    /// Tokens that go on from the same beginning in several ways.
    pub branches: Option<Branches>,
}

/// Tokens from `first` on are branches of `length` tokens each, behind each other in a row: a branch sees what comes before
/// `first`, and itself, but no other branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branches {
    /// Tokens before the branches.
    pub first: usize,
    /// Tokens of a branch.
    pub length: usize,
}

impl Branches {
    /// Where the branch of a token begins.
    pub(super) fn begin(self, token: usize) -> usize {
        token - token.saturating_sub(self.first) % self.length.max(1)
    }

    /// Keys that a token does not see because they belong to earlier branches.
    pub(super) fn hidden(self, token: usize) -> std::ops::Range<usize> {
        if token < self.first { 0..0 } else { self.first..self.begin(token) }
    }

    /// Position of each of `count` tokens: all branches go on where the beginning ends.
    pub fn positions(self, count: usize) -> impl Iterator<Item = usize> {
        (0..count).map(move |token| if token < self.first { token } else { self.first + token - self.begin(token) })
    }
}

/// Self attention in which a token sees itself and what comes before, scaled by `1/√head_dim`.
///
/// What a token yields that sees nothing, such as padding on the left, is finite and means nothing.
///
/// # Shapes
/// `projected`: `[batch, tokens, 3·heads·head_dim]`: queries, keys, values → `[batch, tokens, heads·head_dim]`
pub fn causal_self_attention(projected: Tensor<3>, options: &CausalAttentionOptions) -> Tensor<3> {
    if !serves(&projected) {
        return causal_self_attention_unfused(projected, options);
    }
    let head_dim = projected.dims()[2] / (3 * options.heads);
    let kernel = SelfAttention {
        kind: AttentionKind::Dot(Some(options.rotary.clone().into())),
        heads: options.heads,
        scale: 1.0 / (head_dim as f32).sqrt(),
        bias: false,
        key_mask: None,
        causal: true,
        first_seen: options.first_seen.clone(),
        branches: options.branches,
    };
    let attended: Tensor<4> = run!(kernel, projected.unsqueeze_dim::<4>(2));
    attended.squeeze_dim(2)
}

/// [`causal_self_attention`] unfused.
pub(super) fn causal_self_attention_unfused(projected: Tensor<3>, options: &CausalAttentionOptions) -> Tensor<3> {
    let [batch, tokens, width] = projected.dims();
    let [query, key, value] = split_heads(projected, options.heads);
    let (query, key) = (rotate(query, &options.rotary), rotate(key, &options.rotary));
    let attended = attend(query, key, value, options.first_seen.as_deref(), options.branches);
    attended.swap_dims(1, 2).reshape([batch, tokens, width / 3])
}

/// Queries, keys and values of a projection.
///
/// # Shapes
/// `[batch, tokens, 3·heads·head_dim]` → three of `[batch, heads, tokens, head_dim]`
pub(super) fn split_heads(projected: Tensor<3>, heads: usize) -> [Tensor<4>; 3] {
    let [batch, tokens, width] = projected.dims();
    let inner = width / 3;
    [0, 1, 2].map(|part| {
        projected.clone().narrow(2, part * inner, inner).reshape([batch, tokens, heads, inner / heads]).swap_dims(1, 2)
    })
}

/// Causal attention in which the queries are those of the last `new` of `all` tokens.
///
/// # Shapes
/// `query`: `[batch, heads, new, head_dim]`; `key`, `value`: `[batch, heads, all, head_dim]`; `first_seen`: `[batch·new]` →
/// `[batch, heads, new, head_dim]`
pub(super) fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    first_seen: Option<&[u32]>,
    branches: Option<Branches>,
) -> Tensor<4> {
    let [batch, heads, new, _] = query.dims();
    let all = key.dims()[2];
    let sees_all = new == 1 && first_seen.is_none();
    let mask = (!sees_all).then(|| {
        let hidden = hidden_keys([batch, new, all], first_seen, branches, &query.device());
        hidden.expand([batch, heads, new, all])
    });
    module::attention(query, key, value, mask, None, AttentionModuleOptions::default())
}

/// True where a query must not see a key; one mask for all heads.
///
/// # Shapes
/// `first_seen`: `[batch, new]` → `[batch, 1, new, all]`, or `[1, 1, new, all]` where all rows see alike
fn hidden_keys(
    [batch, new, all]: [usize; 3],
    first_seen: Option<&[u32]>,
    branches: Option<Branches>,
    device: &Device,
) -> Tensor<4, Bool> {
    let rows = if first_seen.is_some() { batch } else { 1 };
    let mut hidden = Vec::with_capacity(rows * new * all);
    for query in 0..rows * new {
        let last = all - new + query % new;
        let first = first_seen.map_or(0, |first| first[query] as usize);
        // What sees nothing sees itself: shares of no keys at all are no numbers, and would spread from layer to layer.
        let of_others = branches.map_or(0..0, |branches| branches.hidden(last));
        hidden.extend((0..all).map(|key| key > last || key < first.min(last) || of_others.contains(&key)));
    }
    let device = device.clone().without_autodiff();
    Tensor::from_data(TensorData::new(hidden, [rows, 1, new, all]), &device)
}
