//! Kernels of the norms.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::Kernel;
use super::lanes::{mean_and_inverse_std, sum_of, sum_of_two};
use super::memory::{last_size, row_major, sizes, slice, tensor};
use super::parallel::{new_rows, new_rows_and_sums};
use super::vectorize::vectorized;

/// Layer norm over the last axis. Inputs: `x`, then `weight` and `bias` as far as there are any.
#[derive(Debug)]
pub(in crate::ops) struct LayerNorm {
    /// Whether the second input is a weight.
    pub weight: bool,
    /// Whether the last input is a bias.
    pub bias: bool,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Layer norm over the last axis, modulated by vectors that groups of neighbouring rows share:
/// `norm(x)·(1 + α) + β`. Inputs: `x`, `[groups.., rows, dim]`, and α beside β, `[groups.., 2·dim]`.
#[derive(Debug)]
pub(in crate::ops) struct ModulatedNorm {
    /// Added to the variance.
    pub epsilon: f32,
}

vectorized! {
    /// Rows normalised, times weight, plus bias.
    fn normalize(out: &mut [f32], x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        let dim = weight.len();
        for (out, row) in out.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
            let (mean, scale) = mean_and_inverse_std(row, epsilon);
            for (((out, x), weight), bias) in out.iter_mut().zip(row).zip(weight).zip(bias) {
                *out = (x - mean) * scale * weight + bias;
            }
        }
    }
}

vectorized! {
    /// Gradients of [`normalize`]; those of weight and bias are added to `sums`, one behind the other.
    fn normalize_back(
        out: &mut [f32],
        x: &[f32],
        gradients: &[f32],
        weight: &[f32],
        sums: &mut [f32],
        epsilon: f32,
    ) {
        let dim = weight.len();
        let share = 1.0 / dim as f32;
        let (to_weight, to_bias) = sums.split_at_mut(dim);
        let rows = x.chunks_exact(dim).zip(gradients.chunks_exact(dim));
        for (out, (row, gradients)) in out.chunks_exact_mut(dim).zip(rows) {
            let (mean, scale) = mean_and_inverse_std(row, epsilon);
            let parameters = to_weight.iter_mut().zip(&mut *to_bias);
            for ((to_weight, to_bias), (x, gradient)) in parameters.zip(row.iter().zip(gradients)) {
                *to_weight += gradient * ((x - mean) * scale);
                *to_bias += gradient;
            }
            for ((out, gradient), weight) in out.iter_mut().zip(gradients).zip(weight) {
                *out = gradient * weight;
            }
            let constant = sum_of(out, |g| g) * share;
            let slope = sum_of_two(out, row, |g, x| g * ((x - mean) * scale)) * share;
            for (out, x) in out.iter_mut().zip(row) {
                *out = scale * (*out - constant - (x - mean) * scale * slope);
            }
        }
    }
}

impl LayerNorm {
    fn weight(&self, inputs: &[FlexTensor], dim: usize) -> Vec<f32> {
        if self.weight { slice(&row_major(&inputs[1])).to_vec() } else { vec![1.0; dim] }
    }

    fn bias(&self, inputs: &[FlexTensor], dim: usize) -> Vec<f32> {
        if self.bias { slice(&row_major(&inputs[inputs.len() - 1])).to_vec() } else { vec![0.0; dim] }
    }
}

impl Kernel for LayerNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = row_major(&inputs[0]);
        let dim = last_size(&x);
        let (weight, bias) = (self.weight(inputs, dim), self.bias(inputs, dim));
        let numbers = slice(&x);
        let out = new_rows(numbers.len(), dim, |first, run| {
            normalize(run, &numbers[first * dim..], &weight, &bias, self.epsilon);
        });
        tensor(out, sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, gradient) = (row_major(&inputs[0]), row_major(gradient));
        let dim = last_size(&x);
        let weight = self.weight(inputs, dim);
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let (out, mut to_weight) = new_rows_and_sums(numbers.len(), dim, 2 * dim, |first, run, sums| {
            let (x, gradients) = (&numbers[first * dim..], &gradients[first * dim..]);
            normalize_back(run, x, gradients, &weight, sums, self.epsilon);
        });
        let to_bias = to_weight.split_off(dim);
        let mut parts = vec![Some(tensor(out, sizes(&x)))];
        if self.weight {
            parts.push(Some(tensor(to_weight, [dim])));
        }
        if self.bias {
            parts.push(Some(tensor(to_bias, [dim])));
        }
        parts
    }
}

/// Root-mean-square norm over the last axis: `x / √(mean square + epsilon) · weight`. Inputs: `x`, `weight`.
#[derive(Debug)]
pub(in crate::ops) struct RmsNorm {
    /// Added to the mean square.
    pub epsilon: f32,
}

/// Reciprocal root of the mean square of a row.
#[inline(always)]
fn inverse_rms(row: &[f32], epsilon: f32) -> f32 {
    1.0 / (sum_of(row, |x| x * x) / row.len() as f32 + epsilon).sqrt()
}

vectorized! {
    fn rms_normalize(out: &mut [f32], x: &[f32], weight: &[f32], epsilon: f32) {
        let dim = weight.len();
        for (out, row) in out.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
            let scale = inverse_rms(row, epsilon);
            for ((out, x), weight) in out.iter_mut().zip(row).zip(weight) {
                *out = x * scale * weight;
            }
        }
    }
}

vectorized! {
    /// Gradients of [`rms_normalize`]; that of the weight is added to `sums`.
    fn rms_back(out: &mut [f32], x: &[f32], gradients: &[f32], weight: &[f32], sums: &mut [f32], epsilon: f32) {
        let dim = weight.len();
        let rows = x.chunks_exact(dim).zip(gradients.chunks_exact(dim));
        for (out, (row, gradients)) in out.chunks_exact_mut(dim).zip(rows) {
            let scale = inverse_rms(row, epsilon);
            for ((sum, x), gradient) in sums.iter_mut().zip(row).zip(gradients) {
                *sum += gradient * (x * scale);
            }
            for ((out, gradient), weight) in out.iter_mut().zip(gradients).zip(weight) {
                *out = gradient * weight;
            }
            let slope = sum_of_two(out, row, |g, x| g * (x * scale)) / dim as f32;
            for (out, x) in out.iter_mut().zip(row) {
                *out = scale * (*out - x * scale * slope);
            }
        }
    }
}

impl Kernel for RmsNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (x, weight) = (row_major(&inputs[0]), row_major(&inputs[1]));
        let (numbers, dim) = (slice(&x), last_size(&x));
        let out = new_rows(numbers.len(), dim, |first, run| {
            rms_normalize(run, &numbers[first * dim..], slice(&weight), self.epsilon);
        });
        tensor(out, sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, weight, gradient) = (row_major(&inputs[0]), row_major(&inputs[1]), row_major(gradient));
        let (numbers, gradients, dim) = (slice(&x), slice(&gradient), last_size(&x));
        let (out, to_weight) = new_rows_and_sums(numbers.len(), dim, dim, |first, run, sums| {
            let (x, gradients) = (&numbers[first * dim..], &gradients[first * dim..]);
            rms_back(run, x, gradients, slice(&weight), sums, self.epsilon);
        });
        vec![Some(tensor(out, sizes(&x))), Some(tensor(to_weight, [dim]))]
    }
}

/// Weight and bias out of a group's modulation.
fn weight_and_bias(modulation: &[f32]) -> (Vec<f32>, &[f32]) {
    let (alpha, beta) = modulation.split_at(modulation.len() / 2);
    (alpha.iter().map(|alpha| 1.0 + alpha).collect(), beta)
}

impl Kernel for ModulatedNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (x, modulation) = (row_major(&inputs[0]), row_major(&inputs[1]));
        let dim = last_size(&x);
        let (numbers, modulation) = (slice(&x), slice(&modulation));
        let group = numbers.len() / (modulation.len() / 2) * dim;
        let out = new_rows(numbers.len(), group, |first, run| {
            for (index, run) in run.chunks_exact_mut(group).enumerate() {
                let at = first + index;
                let (weight, bias) = weight_and_bias(&modulation[at * 2 * dim..][..2 * dim]);
                normalize(run, &numbers[at * group..], &weight, bias, self.epsilon);
            }
        });
        tensor(out, sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, modulation, gradient) = (row_major(&inputs[0]), row_major(&inputs[1]), row_major(gradient));
        let dim = last_size(&x);
        let modulation_sizes = sizes(&modulation);
        let (numbers, modulation, gradients) = (slice(&x), slice(&modulation), slice(&gradient));
        let group = numbers.len() / (modulation.len() / 2) * dim;
        let mut to_x = vec![0.0; numbers.len()];
        let mut to_modulation = vec![0.0; modulation.len()];
        let groups = to_x.par_chunks_mut(group).zip(to_modulation.par_chunks_mut(2 * dim)).enumerate();
        groups.for_each(|(at, (run, sums))| {
            let (weight, _) = weight_and_bias(&modulation[at * 2 * dim..][..2 * dim]);
            let (x, gradients) = (&numbers[at * group..], &gradients[at * group..]);
            normalize_back(run, x, gradients, &weight, sums, self.epsilon);
        });
        vec![Some(tensor(to_x, sizes(&x))), Some(tensor(to_modulation, modulation_sizes))]
    }
}
