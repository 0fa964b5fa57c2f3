//! Attention over already projected heads.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor, module};

use super::norm::normalize_last;
use super::rope::{RotaryTable, rotate_half};

/// Everything that cosine attention takes beside queries, keys and values.
#[derive(Debug, Default)]
pub struct CosineAttention {
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

/// Cosine attention: rotate, scale queries and keys to length 1, stretch them by learned factors, attend (reference 2).
///
/// A row whose keys are all masked yields zeros.
///
/// # Shapes
/// `query`, `key`, `value`: `[batch, heads, tokens, head_dim]`, the scales `[head_dim]`, shared by the heads →
/// `[batch, heads, tokens, head_dim]`
pub fn cosine_attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    query_scale: Tensor<1>,
    key_scale: Tensor<1>,
    options: CosineAttention,
) -> Tensor<4> {
    let (query, key) = match &options.rotary {
        Some(table) => (rotate_half(query, table), rotate_half(key, table)),
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
pub fn dot_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    module::attention(query, key, value, None, None, AttentionModuleOptions::default())
}
