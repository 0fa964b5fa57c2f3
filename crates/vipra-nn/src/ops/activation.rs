//! Activations of the blocks.

use burn::tensor::{Tensor, activation};

use super::flex::{self, run};

/// Slope of every leaky rectifier of the latent action model (reference 2).
const LEAKY_SLOPE: f64 = 0.1;

/// GELU in its exact form, with the error function.
///
/// # Shapes
/// Any; the output has the input's.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if flex::serves(&x) { run!(flex::activation::Gelu, x) } else { gelu_of_parts(x) }
}

/// [`gelu`] as a chain. The framework's own has the derivative of the approximation by a hyperbolic tangent on some devices.
pub(super) fn gelu_of_parts<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let share = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    x * share
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
    if flex::serves(&x) { run!(flex::activation::Geglu, x) } else { geglu_of_parts(x) }
}

/// [`geglu`] as a chain.
pub(super) fn geglu_of_parts<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inner = x.dims()[D - 1] / 2;
    let value = x.clone().narrow(D - 1, 0, inner);
    let gate = x.narrow(D - 1, inner, inner);
    gelu_of_parts(gate) * value
}
