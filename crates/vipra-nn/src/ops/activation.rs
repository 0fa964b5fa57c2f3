//! Activations of the blocks.

use burn::nn::Dropout;
use burn::tensor::{Device, Distribution, Tensor, activation};

use super::flex::{self, run};

/// Slope of every leaky rectifier of the latent action model (reference 2).
const LEAKY_SLOPE: f64 = 0.1;

/// GELU in its exact form, with the error function.
///
/// # Shapes
/// Any; the output has the input's.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if flex::serves(&x) { run!(flex::activation::Gelu, x) } else { gelu_unfused(x) }
}

/// [`gelu`] unfused. The framework's own has the derivative of the approximation by a hyperbolic tangent on some devices.
pub(super) fn gelu_unfused<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let share = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    x * share
}

/// Leaky rectifier with slope 0.1 (reference 2).
///
/// # Shapes
/// Any; the output has the input's.
pub fn leaky_relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if flex::serves(&x) {
        run!(flex::activation::LeakyRelu { slope: LEAKY_SLOPE as f32 }, x)
    } else {
        leaky_relu_unfused(x)
    }
}

/// [`leaky_relu`] by the framework.
pub(super) fn leaky_relu_unfused<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::leaky_relu(x, LEAKY_SLOPE)
}

/// Gated GELU, then dropout where the layer is in training. The first half of the last axis is the value, the **second half
/// the gate** (reference 2).
///
/// # Shapes
/// `[.., 2·inner]` → `[.., inner]`
pub fn geglu_and_drop<const D: usize>(x: Tensor<D>, dropout: &Dropout) -> Tensor<D> {
    if !flex::serves(&x) {
        return dropout.forward(geglu_unfused(x));
    }
    // The layer's own conditions.
    let active = dropout.training.is_enabled() && x.device().is_autodiff() && dropout.prob > 0.0;
    let dropout = active.then(|| flex::activation::Dropout { share: dropout.prob as f32, seed: seed(&x.device()) });
    run!(flex::activation::Geglu { dropout }, x)
}

/// 48 random bits from the framework's generator, so that a run depends on the device's seed alone.
fn seed(device: &Device) -> u64 {
    let halves = Tensor::<1>::random([2], Distribution::Uniform(0.0, 1.0), &device.clone().without_autodiff());
    halves.into_data().iter::<f32>().fold(0, |seed, half| seed << 24 | (half * (1 << 24) as f32) as u64)
}

/// [`geglu_and_drop`] unfused, without the dropout.
pub(super) fn geglu_unfused<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inner = x.dims()[D - 1] / 2;
    let value = x.clone().narrow(D - 1, 0, inner);
    let gate = x.narrow(D - 1, inner, inner);
    gelu_unfused(gate) * value
}

/// SwiGLU: the first half of the last axis is the **gate**, the second half the value: `silu(gate)·value`.
///
/// # Shapes
/// `[.., 2·inner]` → `[.., inner]`
pub fn swiglu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if flex::serves(&x) { run!(flex::activation::SwiGlu, x) } else { swiglu_unfused(x) }
}

/// [`swiglu`] unfused.
pub(super) fn swiglu_unfused<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inner = x.dims()[D - 1] / 2;
    let gate = x.clone().narrow(D - 1, 0, inner);
    let value = x.narrow(D - 1, inner, inner);
    activation::silu(gate) * value
}
