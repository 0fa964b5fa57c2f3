//! Modulation of a frame's tokens by one vector per frame.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::initial::silent;
use crate::norm::EPSILON;
use crate::ops;

/// `x + FFN((1 + α)·LN(x) + β)` with `[α, β]` linear in the condition (reference 2).
///
/// The last layer starts at zero, so a new block is the identity; α and β do not, so that what the last layer reads out
/// depends on the condition from the first step on. (In the reference it is the other way round.)
#[derive(Module, Debug)]
pub struct Conditioning {
    /// `dim → 2·dim`: α, then β.
    pub to_alpha_beta: Linear,
    /// `dim → 4·dim`
    pub expand: Linear,
    /// `4·dim → dim`
    pub contract: Linear,
}

impl Conditioning {
    /// For tokens and conditions of width `dim`.
    pub fn new(dim: usize, device: &Device) -> Self {
        Self {
            to_alpha_beta: LinearConfig::new(dim, 2 * dim).init(device),
            expand: LinearConfig::new(dim, 4 * dim).init(device),
            contract: silent(4 * dim, dim, true, device),
        }
    }

    /// # Shapes
    /// `x`: `[batch, time, tokens, dim]`, `condition`: `[batch, time, dim]` → `[batch, time, tokens, dim]`
    pub fn forward(&self, x: Tensor<4>, condition: Tensor<3>) -> Tensor<4> {
        let modulation = ops::linear(&self.to_alpha_beta, condition);
        let modulated = ops::modulated_norm(x.clone(), modulation, EPSILON);
        x + ops::linear(&self.contract, ops::gelu(ops::linear(&self.expand, modulated)))
    }
}
