//! Activations of the blocks.

use burn::tensor::{Tensor, activation};

/// Slope of every leaky rectifier of the latent action model (reference 2).
const LEAKY_SLOPE: f64 = 0.1;

/// GELU in its exact form, with the error function.
///
/// # Shapes
/// Any; the output has the input's.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::gelu(x)
}

/// Leaky rectifier with slope 0.1 (reference 2).
///
/// # Shapes
/// Any; the output has the input's.
pub fn leaky_relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::leaky_relu(x, LEAKY_SLOPE)
}

/// Gated GELU: the first half of the last axis is the value, the **second half the gate** (reference 2).
///
/// # Shapes
/// `[.., 2·inner]` → `[.., inner]`
pub fn geglu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inner = x.dims()[D - 1] / 2;
    let value = x.clone().narrow(D - 1, 0, inner);
    let gate = x.narrow(D - 1, inner, inner);
    gelu(gate) * value
}
