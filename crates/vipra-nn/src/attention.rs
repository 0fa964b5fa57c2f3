//! Cosine attention with pre-norm.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Bool, Device, Tensor};

use crate::initial::silent;
use crate::norm::LayerNorm;
use crate::ops::{self, CosineAttentionOptions, RotaryTable};

/// Factor of the logits. A constant in the reference (0.2), not a parameter.
const LOGIT_SCALE: f64 = 8.0;

/// Which way a block of attention looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Among the patches of a frame; no rotary positions, usually with a position bias.
    Space,
    /// Along time, with rotary positions.
    Time {
        /// Whether a frame sees only the frames up to itself.
        causal: bool,
    },
}

/// Self attention of the latent action model (reference 2).
///
/// Only the queries see the norm: **keys and values come from the un-normalised input** (reference 0.1). Queries and keys
/// are rotated first, then scaled to length 1, then stretched by learned factors. No biases.
#[derive(Module, Debug)]
pub struct Attention {
    /// Norm of the queries' input.
    pub norm: LayerNorm,
    /// `dim → heads·head_dim`
    pub to_q: Linear,
    /// `dim → 2·heads·head_dim`: keys, then values.
    pub to_kv: Linear,
    /// `[head_dim]`, shared by the heads.
    pub q_scale: Param<Tensor<1>>,
    /// `[head_dim]`, shared by the heads.
    pub k_scale: Param<Tensor<1>>,
    /// `heads·head_dim → dim`
    pub to_out: Linear,
    /// Number of heads.
    pub heads: usize,
    /// Which way it looks.
    #[module(skip)]
    pub axis: Axis,
}

impl Attention {
    /// A block of width `dim` with `heads` heads of `head_dim` channels; `heads·head_dim` need not be `dim`.
    pub fn new(dim: usize, heads: usize, head_dim: usize, axis: Axis, device: &Device) -> Self {
        let inner = heads * head_dim;
        let linear = |input, output| LinearConfig::new(input, output).with_bias(false).init(device);
        Self {
            norm: LayerNorm::new(dim, device),
            to_q: linear(dim, inner),
            to_kv: linear(dim, 2 * inner),
            q_scale: Param::from_tensor(Tensor::ones([head_dim], device)),
            k_scale: Param::from_tensor(Tensor::ones([head_dim], device)),
            to_out: silent(inner, dim, false, device),
            heads,
            axis,
        }
    }

    /// Attends among the tokens of each sequence. The residual is the caller's.
    ///
    /// # Shapes
    /// `x`: `[batch, tokens, dim]`, `bias`: `[heads, tokens, tokens]` added to the logits, `key_mask`:
    /// `[batch, tokens]`, true where a key counts → `[batch, tokens, dim]`
    pub fn forward(&self, x: Tensor<3>, bias: Option<Tensor<3>>, key_mask: Option<Tensor<2, Bool>>) -> Tensor<3> {
        self.forward_side_by_side(x.unsqueeze_dim(2), bias, key_mask).squeeze_dim(2)
    }

    /// As [`forward`](Self::forward) for sequences that lie side by side along the third axis and share the mask.
    ///
    /// # Shapes
    /// `x`: `[batch, tokens, side, dim]` → the same.
    pub fn forward_side_by_side(
        &self,
        x: Tensor<4>,
        bias: Option<Tensor<3>>,
        key_mask: Option<Tensor<2, Bool>>,
    ) -> Tensor<4> {
        let tokens = x.dims()[1];
        let query = ops::linear(&self.to_q, self.norm.forward(x.clone()));
        let key_value = ops::linear(&self.to_kv, x);
        let head_dim = query.dims()[3] / self.heads;
        let rotary = match self.axis {
            Axis::Space => None,
            Axis::Time { .. } => Some(RotaryTable::new(tokens, head_dim, &query.device())),
        };
        let causal = matches!(self.axis, Axis::Time { causal: true });
        let attended = ops::cosine_self_attention(
            query,
            key_value,
            self.q_scale.val(),
            self.k_scale.val(),
            CosineAttentionOptions { scale: LOGIT_SCALE, rotary, bias, key_mask, causal },
        );
        ops::linear(&self.to_out, attended)
    }
}
