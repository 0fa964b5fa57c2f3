//! Attention over already projected heads.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor, module};

use super::causal::split_heads;
use super::flex::attention::{AttentionKind, Rotary, SelfAttention};
use super::flex::{run, serves};
use super::norm::normalize_last;
use super::rope::{RotaryTable, rotate};

/// Everything that cosine attention takes beside queries, keys and values.
#[derive(Debug, Default)]
pub struct CosineAttentionOptions {
    /// Factor of the logits: the constant 8 in the latent action model (reference 0.2).
    pub scale: f64,
    /// Rotary positions of the tokens. Applied **before** the vectors are normalised.
    pub rotary: Option<RotaryTable>,
    /// Added to the logits, `[heads, queries, keys]`.
    pub bias: Option<Tensor<3>>,
    /// True where a key counts, `[batch, keys]`.
    pub key_mask: Option<Tensor<2, Bool>>,
    /// Whether a query sees only the keys up to its own position.
    pub causal: bool,
}

/// [`cosine_self_attention`] of heads that are parted already.
///
/// # Shapes
/// `query`, `key`, `value`: `[batch, heads, tokens, head_dim]`, the scales `[head_dim]`, shared by the heads →
/// `[batch, heads, tokens, head_dim]`
fn cosine_attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    query_scale: Tensor<1>,
    key_scale: Tensor<1>,
    options: CosineAttentionOptions,
) -> Tensor<4> {
    let (query, key) = match &options.rotary {
        Some(table) => (rotate(query, table), rotate(key, table)),
        None => (query, key),
    };
    let query = normalize_last(query) * query_scale.unsqueeze::<4>();
    let key = normalize_last(key) * key_scale.unsqueeze::<4>();
    let [batch, heads, queries, _] = query.dims();
    let keys = key.dims()[2];
    let bias = options.bias.map(|bias| bias.unsqueeze::<4>());
    // [batch, keys] -> [batch, heads, queries, keys]; the framework's mask is true where a key does *not* count.
    let mask =
        options.key_mask.map(|mask| mask.bool_not().reshape([batch, 1, 1, keys]).expand([batch, heads, queries, keys]));
    let options = AttentionModuleOptions { scale: Some(options.scale), softcap: None, is_causal: options.causal };
    module::attention(query, key, value, mask, bias, options)
}

/// Dot-product attention scaled by `1/√head_dim`, no mask.
///
/// # Shapes
/// `query`, `key`, `value`: `[batch, heads, tokens, head_dim]` → the same.
fn dot_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    module::attention(query, key, value, None, None, AttentionModuleOptions::default())
}

/// Self attention of the heads of a projection, scaled by `1/√head_dim`, no mask.
///
/// # Shapes
/// `projected`: `[batch, tokens, 3·heads·head_dim]`: queries, keys, values → `[batch, tokens, heads·head_dim]`
pub fn dot_self_attention(projected: Tensor<3>, heads: usize) -> Tensor<3> {
    if !serves(&projected) {
        return dot_self_attention_unfused(projected, heads);
    }
    let head_dim = projected.dims()[2] / (3 * heads);
    let scale = 1.0 / (head_dim as f32).sqrt();
    let kernel = SelfAttention {
        kind: AttentionKind::Dot(None),
        heads,
        scale,
        bias: false,
        key_mask: None,
        causal: false,
        first_seen: None,
        branches: None,
    };
    let attended: Tensor<4> = run!(kernel, projected.unsqueeze_dim::<4>(2));
    attended.squeeze_dim(2)
}

/// [`dot_self_attention`] unfused.
pub(super) fn dot_self_attention_unfused(projected: Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, tokens, width] = projected.dims();
    let [query, key, value] = split_heads(projected, heads);
    dot_attention(query, key, value).swap_dims(1, 2).reshape([batch, tokens, width / 3])
}

/// Cosine attention of the heads of projections: rotate, scale queries and keys to length 1, stretch them by learned
/// factors, attend (reference 2). Sequences run along the second axis; what lies along the third axis are sequences of
/// their own, which share the mask. A query whose keys are all masked yields zeros.
///
/// # Shapes
/// `query`: `[batch, tokens, side, heads·head_dim]`, `key_value`: `[batch, tokens, side, 2·heads·head_dim]`: keys, values;
/// the scales `[head_dim]`, shared by the heads → `[batch, tokens, side, heads·head_dim]`
pub fn cosine_self_attention(
    query: Tensor<4>,
    key_value: Tensor<4>,
    query_scale: Tensor<1>,
    key_scale: Tensor<1>,
    options: CosineAttentionOptions,
) -> Tensor<4> {
    if !serves(&query) {
        return cosine_self_attention_unfused(query, key_value, query_scale, key_scale, options);
    }
    let rotary = options.rotary.map(Rotary::from);
    let kernel = SelfAttention {
        heads: query.dims()[3] / query_scale.dims()[0],
        kind: AttentionKind::Cosine(rotary),
        scale: options.scale as f32,
        bias: options.bias.is_some(),
        key_mask: options.key_mask.map(|mask| mask.into_data().iter::<bool>().collect()),
        causal: options.causal,
        first_seen: None,
        branches: None,
    };
    match options.bias {
        Some(bias) => run!(kernel, query, key_value, query_scale, key_scale, bias),
        None => run!(kernel, query, key_value, query_scale, key_scale),
    }
}

/// [`cosine_self_attention`] unfused.
pub(super) fn cosine_self_attention_unfused(
    query: Tensor<4>,
    key_value: Tensor<4>,
    query_scale: Tensor<1>,
    key_scale: Tensor<1>,
    options: CosineAttentionOptions,
) -> Tensor<4> {
    let [batch, tokens, side, inner] = query.dims();
    let head_dim = query_scale.dims()[0];
    // -> [batch·side, heads, tokens, head_dim]
    let split = |x: Tensor<4>| {
        let heads = x.reshape([batch, tokens, side, inner / head_dim, head_dim]).permute([0, 2, 3, 1, 4]);
        heads.reshape([batch * side, inner / head_dim, tokens, head_dim])
    };
    let key = split(key_value.clone().narrow(3, 0, inner));
    let value = split(key_value.narrow(3, inner, inner));
    let key_mask = options
        .key_mask
        .map(|mask| mask.unsqueeze_dim::<3>(1).expand([batch, side, tokens]).reshape([batch * side, tokens]));
    let options = CosineAttentionOptions { key_mask, ..options };
    cosine_attention(split(query), key, value, query_scale, key_scale, options)
        .reshape([batch, side, inner / head_dim, tokens, head_dim])
        .permute([0, 3, 1, 2, 4])
        .reshape([batch, tokens, side, inner])
}

impl From<RotaryTable> for Rotary {
    fn from(table: RotaryTable) -> Self {
        let [rows, tokens, half] = table.cos.dims();
        let row_stride = if rows > 1 { tokens * half } else { 0 };
        let numbers = |x: Tensor<3>| x.into_data().iter::<f32>().collect();
        Self { pairs: table.pairs, cos: numbers(table.cos), sin: numbers(table.sin), row_stride }
    }
}
