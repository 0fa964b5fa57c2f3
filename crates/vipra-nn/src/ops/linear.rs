//! Linear layers.

use burn::nn::Linear;
use burn::tensor::{Tensor, module};

use super::flex::{self, run};

/// `x·weight + bias`, by a layer of the framework.
///
/// # Shapes
/// `[.., input]` → `[.., output]`
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    product(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()))
}

/// `x·weight + bias`.
///
/// # Shapes
/// `x`: `[.., input]`, `weight`: `[input, output]`, `bias`: `[output]` → `[.., output]`
pub(super) fn product<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    if !flex::serves(&x) {
        return module::linear(x, weight, bias);
    }
    let kernel = flex::linear::Linear { bias: bias.is_some() };
    match bias {
        Some(bias) => run!(kernel, x, weight, bias),
        None => run!(kernel, x, weight),
    }
}
