//! Kernels of the activations.

use burn::backend::flex::FlexTensor;

use super::Kernel;
use super::lanes::{exp, normal};
use super::memory::{last_size, row_major, sizes, slice, tensor};
use super::parallel::new_rows;
use super::vectorize::vectorized;

/// 1/√(2π).
const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;

/// A tensor of the shape of `x`, which `work` writes piece by piece from the numbers that begin where the piece does.
fn each(x: &FlexTensor, work: impl Fn(&mut [f32], &[f32]) + Sync) -> FlexTensor {
    let x = row_major(x);
    let numbers = slice(&x);
    let out = new_rows(numbers.len(), 1, |first, run| work(run, &numbers[first..]));
    tensor(out, sizes(&x))
}

/// As [`each`], from the numbers of `x` and of the result's gradient.
fn each_gradient(
    x: &FlexTensor,
    gradient: &FlexTensor,
    work: impl Fn(&mut [f32], &[f32], &[f32]) + Sync,
) -> FlexTensor {
    let (x, gradient) = (row_major(x), row_major(gradient));
    let (numbers, gradients) = (slice(&x), slice(&gradient));
    let out = new_rows(numbers.len(), 1, |first, run| work(run, &numbers[first..], &gradients[first..]));
    tensor(out, sizes(&x))
}

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

vectorized! {
    fn gelu_run(out: &mut [f32], x: &[f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = gelu(*x);
        }
    }
}

vectorized! {
    fn gelu_back(out: &mut [f32], x: &[f32], gradient: &[f32]) {
        for ((out, x), gradient) in out.iter_mut().zip(x).zip(gradient) {
            *out = gradient * gelu_and_slope(*x).1;
        }
    }
}

impl Kernel for Gelu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        each(&inputs[0], gelu_run)
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        vec![Some(each_gradient(&inputs[0], gradient, gelu_back))]
    }
}

/// `x`, or `slope·x` where that is negative.
#[derive(Debug)]
pub(in crate::ops) struct LeakyRelu {
    /// Below zero.
    pub slope: f32,
}

vectorized! {
    /// `scaled` where `x` is positive, and `slope·scaled` elsewhere.
    fn leak(out: &mut [f32], x: &[f32], scaled: &[f32], slope: f32) {
        for ((out, x), scaled) in out.iter_mut().zip(x).zip(scaled) {
            *out = if *x > 0.0 { *scaled } else { slope * scaled };
        }
    }
}

impl Kernel for LeakyRelu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        each(&inputs[0], |out, x| leak(out, x, x, self.slope))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        vec![Some(each_gradient(&inputs[0], gradient, |out, x, gradients| leak(out, x, gradients, self.slope)))]
    }
}

/// Gated GELU with dropout behind it, `[.., 2·inner]` → `[.., inner]`: values, then gates.
#[derive(Debug)]
pub(in crate::ops) struct Geglu {
    /// What is dropped in training.
    pub dropout: Option<Dropout>,
}

/// Which activations are dropped: a function of the seed and of the place, so that the backward pass drops the same ones
/// and no thread waits for another's random numbers.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Dropout {
    /// Share that is dropped.
    pub share: f32,
    /// Drawn from the framework's random numbers.
    pub seed: u64,
}

impl Dropout {
    /// Key of a row, threshold below which its hashes are dropped, and factor of what stays.
    fn parts(this: Option<Self>) -> (u64, u32, f32) {
        this.map_or((0, 0, 1.0), |dropout| {
            let threshold = (f64::from(dropout.share) * f64::from(u32::MAX)) as u32;
            (dropout.seed, threshold, 1.0 / (1.0 - dropout.share))
        })
    }
}

/// Key of a row's hashes, by the finaliser of SplitMix64.
#[inline(always)]
fn key_of_row(seed: u64, row: usize) -> u32 {
    let mut x = seed ^ (row as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as u32
}

/// 0 for what is dropped and `factor` for what stays, by a 32-bit hash of key and place.
#[inline(always)]
fn stays(key: u32, index: usize, threshold: u32, factor: f32) -> f32 {
    let mut x = key ^ (index as u32).wrapping_mul(0x9e37_79b9);
    x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
    x = (x ^ (x >> 15)).wrapping_mul(0x735a_2d97);
    x ^= x >> 15;
    if x < threshold { 0.0 } else { factor }
}

vectorized! {
    fn geglu_run(out: &mut [f32], x: &[f32], inner: usize, first: usize, dropout: Option<Dropout>) {
        let (seed, threshold, factor) = Dropout::parts(dropout);
        for (row, (out, x)) in out.chunks_exact_mut(inner).zip(x.chunks_exact(2 * inner)).enumerate() {
            let key = key_of_row(seed, first + row);
            let (values, gates) = x.split_at(inner);
            for (index, ((out, value), gate)) in out.iter_mut().zip(values).zip(gates).enumerate() {
                *out = value * gelu(*gate) * stays(key, index, threshold, factor);
            }
        }
    }
}

vectorized! {
    fn geglu_back(
        out: &mut [f32],
        x: &[f32],
        gradients: &[f32],
        inner: usize,
        first: usize,
        dropout: Option<Dropout>,
    ) {
        let (seed, threshold, factor) = Dropout::parts(dropout);
        let rows = x.chunks_exact(2 * inner).zip(gradients.chunks_exact(inner));
        for (row, (out, (x, gradients))) in out.chunks_exact_mut(2 * inner).zip(rows).enumerate() {
            let key = key_of_row(seed, first + row);
            let (values, gates) = x.split_at(inner);
            let (to_values, to_gates) = out.split_at_mut(inner);
            let outs = to_values.iter_mut().zip(to_gates);
            let ins = values.iter().zip(gates).zip(gradients);
            for (index, ((to_value, to_gate), ((value, gate), gradient))) in outs.zip(ins).enumerate() {
                let (gate, slope) = gelu_and_slope(*gate);
                let gradient = gradient * stays(key, index, threshold, factor);
                *to_value = gradient * gate;
                *to_gate = gradient * value * slope;
            }
        }
    }
}

impl Kernel for Geglu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = row_major(&inputs[0]);
        let inner = last_size(&x) / 2;
        let numbers = slice(&x);
        let out = new_rows(numbers.len() / 2, inner, |first, run| {
            geglu_run(run, &numbers[first * 2 * inner..], inner, first, self.dropout);
        });
        tensor(out, halved(sizes(&x)))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, gradient) = (row_major(&inputs[0]), row_major(gradient));
        let inner = last_size(&x) / 2;
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let out = new_rows(numbers.len(), 2 * inner, |first, run| {
            let (x, gradients) = (&numbers[first * 2 * inner..], &gradients[first * inner..]);
            geglu_back(run, x, gradients, inner, first, self.dropout);
        });
        vec![Some(tensor(out, sizes(&x)))]
    }
}

/// SwiGLU, `[.., 2·inner]` → `[.., inner]`: gates, then values.
#[derive(Debug)]
pub(in crate::ops) struct SwiGlu;

vectorized! {
    fn swiglu_run(out: &mut [f32], x: &[f32], inner: usize) {
        for (out, x) in out.chunks_exact_mut(inner).zip(x.chunks_exact(2 * inner)) {
            let (gates, values) = x.split_at(inner);
            for ((out, gate), value) in out.iter_mut().zip(gates).zip(values) {
                *out = gate / (1.0 + exp(-*gate)) * value;
            }
        }
    }
}

vectorized! {
    fn swiglu_back(out: &mut [f32], x: &[f32], gradients: &[f32], inner: usize) {
        let rows = x.chunks_exact(2 * inner).zip(gradients.chunks_exact(inner));
        for (out, (x, gradients)) in out.chunks_exact_mut(2 * inner).zip(rows) {
            let (gates, values) = x.split_at(inner);
            let (to_gates, to_values) = out.split_at_mut(inner);
            let outs = to_gates.iter_mut().zip(to_values);
            for ((to_gate, to_value), ((gate, value), gradient)) in outs.zip(gates.iter().zip(values).zip(gradients)) {
                let share = 1.0 / (1.0 + exp(-*gate));
                *to_value = gradient * gate * share;
                *to_gate = gradient * value * (share + gate * share * (1.0 - share));
            }
        }
    }
}

impl Kernel for SwiGlu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = row_major(&inputs[0]);
        let inner = last_size(&x) / 2;
        let numbers = slice(&x);
        let out =
            new_rows(numbers.len() / 2, inner, |first, run| swiglu_run(run, &numbers[first * 2 * inner..], inner));
        tensor(out, halved(sizes(&x)))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, gradient) = (row_major(&inputs[0]), row_major(gradient));
        let inner = last_size(&x) / 2;
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let out = new_rows(numbers.len(), 2 * inner, |first, run| {
            swiglu_back(run, &numbers[first * 2 * inner..], &gradients[first * inner..], inner);
        });
        vec![Some(tensor(out, sizes(&x)))]
    }
}

/// The shape with half the last axis.
fn halved(mut shape: Vec<usize>) -> Vec<usize> {
    if let Some(last) = shape.last_mut() {
        *last /= 2;
    }
    shape
}
