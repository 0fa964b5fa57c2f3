//! Kernels of the activations.

use burn::backend::flex::FlexTensor;

use super::Kernel;
use super::lanes::normal;
use super::memory::{last_size, row_major, sizes, slice, tensor};
use super::parallel::fill_rows;

/// 1/√(2π).
const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;

/// Exact GELU: `x·Φ(x)`.
#[derive(Debug)]
pub(in crate::ops) struct Gelu;

#[inline(always)]
fn gelu(x: f32) -> f32 {
    x * normal(x).0
}

/// Value and slope.
#[inline(always)]
fn gelu_and_slope(x: f32) -> (f32, f32) {
    let (share, bell) = normal(x);
    (x * share, share + x * bell * FRAC_1_SQRT_2PI)
}

impl Kernel for Gelu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = row_major(&inputs[0]);
        let numbers = slice(&x);
        let mut out = vec![0.0; numbers.len()];
        fill_rows(&mut out, 1, |first, run| {
            for (out, x) in run.iter_mut().zip(&numbers[first..]) {
                *out = gelu(*x);
            }
        });
        tensor(out, sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, gradient) = (row_major(&inputs[0]), row_major(gradient));
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let mut out = vec![0.0; numbers.len()];
        fill_rows(&mut out, 1, |first, run| {
            for ((out, x), gradient) in run.iter_mut().zip(&numbers[first..]).zip(&gradients[first..]) {
                *out = gradient * gelu_and_slope(*x).1;
            }
        });
        vec![Some(tensor(out, sizes(&x)))]
    }
}

/// Gated GELU, `[.., 2·inner]` → `[.., inner]`: values, then gates.
#[derive(Debug)]
pub(in crate::ops) struct Geglu;

impl Kernel for Geglu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = row_major(&inputs[0]);
        let inner = last_size(&x) / 2;
        let numbers = slice(&x);
        let mut out = vec![0.0; numbers.len() / 2];
        fill_rows(&mut out, inner, |first, run| {
            let rows = numbers[first * 2 * inner..].chunks_exact(2 * inner);
            for (out, row) in run.chunks_exact_mut(inner).zip(rows) {
                let (values, gates) = row.split_at(inner);
                for ((out, value), gate) in out.iter_mut().zip(values).zip(gates) {
                    *out = value * gelu(*gate);
                }
            }
        });
        let mut shape = sizes(&x);
        if let Some(last) = shape.last_mut() {
            *last = inner;
        }
        tensor(out, shape)
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, gradient) = (row_major(&inputs[0]), row_major(gradient));
        let inner = last_size(&x) / 2;
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let mut out = vec![0.0; numbers.len()];
        fill_rows(&mut out, 2 * inner, |first, run| {
            let rows = numbers[first * 2 * inner..].chunks_exact(2 * inner);
            let gradients = gradients[first * inner..].chunks_exact(inner);
            for ((out, row), gradients) in run.chunks_exact_mut(2 * inner).zip(rows).zip(gradients) {
                let (values, gates) = row.split_at(inner);
                let (to_values, to_gates) = out.split_at_mut(inner);
                for index in 0..inner {
                    let (gate, slope) = gelu_and_slope(gates[index]);
                    to_values[index] = gradients[index] * gate;
                    to_gates[index] = gradients[index] * values[index] * slope;
                }
            }
        });
        vec![Some(tensor(out, sizes(&x)))]
    }
}
