//! One layer: attention, then a gated feed-forward layer, each on the norm of its input.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use vipra_nn::ops::{self, CachedAttentionOptions, CausalAttentionOptions, KeysValues};

use super::config::TransformerConfig;

/// Root-mean-square norm.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[dim]`
    pub weight: Param<Tensor<1>>,
    epsilon: f64,
}

impl RmsNorm {
    /// A norm of width `dim`, whose weights start as ones.
    pub fn new(dim: usize, epsilon: f64, device: &Device) -> Self {
        Self { weight: Param::from_tensor(Tensor::ones([dim], device)), epsilon }
    }

    /// # Shapes
    /// `[.., dim]` → the same.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::rms_norm(x, self.weight.val(), self.epsilon)
    }
}

/// Layer of the transformer (reference 6.1). No biases.
#[derive(Module, Debug)]
pub struct Layer {
    /// Norm before the attention.
    pub attention_norm: RmsNorm,
    /// `dim → 3·dim`: queries, keys, values.
    pub query_key_value: Linear,
    /// `dim → dim`
    pub attention_out: Linear,
    /// Norm before the feed-forward layer.
    pub feed_forward_norm: RmsNorm,
    /// `dim → 2·feed_forward`: gates, then values.
    pub expand: Linear,
    /// `feed_forward → dim`
    pub contract: Linear,
    heads: usize,
}

impl Layer {
    /// A layer that adds nothing to its input at first: the last matrix of each branch starts as zero.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        let (dim, inner) = (config.dim, config.feed_forward);
        let linear = |input: usize, output: usize, initializer: Initializer| {
            LinearConfig::new(input, output).with_bias(false).with_initializer(initializer).init(device)
        };
        let spread = |input: usize| Initializer::Normal { mean: 0.0, std: 1.0 / (input as f64).sqrt() };
        Self {
            attention_norm: RmsNorm::new(dim, config.norm_epsilon, device),
            query_key_value: linear(dim, 3 * dim, spread(dim)),
            attention_out: linear(dim, dim, Initializer::Zeros),
            feed_forward_norm: RmsNorm::new(dim, config.norm_epsilon, device),
            expand: linear(dim, 2 * inner, spread(dim)),
            contract: linear(inner, dim, Initializer::Zeros),
            heads: config.heads,
        }
    }

    /// # Shapes
    /// `x`: `[rows, length, dim]` → the same.
    pub fn forward(&self, x: Tensor<3>, attention: &CausalAttentionOptions) -> Tensor<3> {
        let attended = ops::causal_self_attention(self.project(x.clone()), attention);
        let x = x + ops::linear(&self.attention_out, attended);
        self.feed_forward(x)
    }

    /// As [`forward`](Self::forward) for tokens behind those whose keys and values are `held`. Also returns the projection, which
    /// contains the new tokens' keys and values.
    ///
    /// # Shapes
    /// `x`: `[rows, new, dim]` → `[rows, new, dim]` and `[rows, new, 3·dim]`
    pub(super) fn forward_behind(
        &self,
        x: Tensor<3>,
        held: Option<&KeysValues>,
        attention: &CachedAttentionOptions,
    ) -> (Tensor<3>, Tensor<3>) {
        let projected = self.project(x.clone());
        let attended = ops::cached_attention(projected.clone(), held, attention);
        (self.feed_forward(x + ops::linear(&self.attention_out, attended)), projected)
    }

    /// Queries, keys and values.
    ///
    /// # Shapes
    /// `[rows, length, dim]` → `[rows, length, 3·dim]`
    pub(super) fn project(&self, x: Tensor<3>) -> Tensor<3> {
        ops::linear(&self.query_key_value, self.attention_norm.forward(x))
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let inner = ops::swiglu(ops::linear(&self.expand, self.feed_forward_norm.forward(x.clone())));
        x + ops::linear(&self.contract, inner)
    }
}
