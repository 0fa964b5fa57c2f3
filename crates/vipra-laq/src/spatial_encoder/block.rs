//! One block of the vision transformer.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use vipra_nn::norm::AffineLayerNorm;
use vipra_nn::ops;

/// Epsilon of the vision transformer's norms (reference 3.2).
pub(super) const EPSILON: f64 = 1e-6;
/// Width of the hidden layer, as a multiple of a token's.
const HIDDEN_RATIO: usize = 4;
/// Standard deviation of the initial weights, as in DINOv2.
pub(super) const WEIGHT_STD: f64 = 0.02;
/// Initial scale of the residual branches. DINOv2 starts at 1e-5, which takes far longer runs than ours; loaded weights bring
/// their own.
const INITIAL_SCALE: f64 = 1.0;

/// `x += scale·Attention(norm(x))`, then `x += scale·MLP(norm(x))` (reference 3.2).
#[derive(Module, Debug)]
pub struct Block {
    /// Norm before the attention.
    pub attention_norm: AffineLayerNorm,
    /// `dim → 3·dim`: queries, keys, values.
    pub qkv: Linear,
    /// `dim → dim`
    pub projection: Linear,
    /// `[dim]`
    pub attention_scale: Param<Tensor<1>>,
    /// Norm before the hidden layer.
    pub hidden_norm: AffineLayerNorm,
    /// `dim → 4·dim`
    pub expand: Linear,
    /// `4·dim → dim`
    pub contract: Linear,
    /// `[dim]`
    pub hidden_scale: Param<Tensor<1>>,
    /// Heads of the attention.
    pub heads: usize,
}

impl Block {
    pub(super) fn new(dim: usize, heads: usize, device: &Device) -> Self {
        let linear = |input, output| {
            let normal = Initializer::Normal { mean: 0.0, std: WEIGHT_STD };
            let mut layer = LinearConfig::new(input, output).with_initializer(normal).init(device);
            layer.bias = Some(Initializer::Zeros.init([output], device));
            layer
        };
        let scale = || Param::from_tensor(Tensor::full([dim], INITIAL_SCALE, device));
        Self {
            attention_norm: AffineLayerNorm::new(dim, EPSILON, device),
            qkv: linear(dim, 3 * dim),
            projection: linear(dim, dim),
            attention_scale: scale(),
            hidden_norm: AffineLayerNorm::new(dim, EPSILON, device),
            expand: linear(dim, HIDDEN_RATIO * dim),
            contract: linear(HIDDEN_RATIO * dim, dim),
            hidden_scale: scale(),
            heads,
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// `[frames, tokens, dim]` → the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let attended = self.attend(self.attention_norm.forward(x.clone()));
        let x = x + attended * self.attention_scale.val().unsqueeze();
        let hidden =
            ops::linear(&self.contract, ops::gelu(ops::linear(&self.expand, self.hidden_norm.forward(x.clone()))));
        x + hidden * self.hidden_scale.val().unsqueeze()
    }

    fn attend(&self, x: Tensor<3>) -> Tensor<3> {
        ops::linear(&self.projection, ops::dot_self_attention(ops::linear(&self.qkv, x), self.heads))
    }
}
