//! Kernels of the layer norm.

use burn::backend::flex::FlexTensor;

use super::Kernel;
use super::lanes::{sum_of, sum_of_two};
use super::memory::{last_size, row_major, sizes, slice, tensor};
use super::parallel::{fill_rows, fill_rows_and_sum};

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

/// Mean and reciprocal spread of a row.
#[inline(always)]
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let share = 1.0 / row.len() as f32;
    let mean = sum_of(row, |x| x) * share;
    let variance = sum_of(row, |x| (x - mean) * (x - mean)) * share;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// Gradient of a normalised row with respect to the row: `to_normal` holds the gradient with respect to the normalised
/// numbers, and then the result.
#[inline(always)]
fn through_norm(to_normal: &mut [f32], row: &[f32], mean: f32, scale: f32) {
    let share = 1.0 / row.len() as f32;
    let constant = sum_of(to_normal, |g| g) * share;
    let slope = sum_of_two(to_normal, row, |g, x| g * ((x - mean) * scale)) * share;
    for (g, x) in to_normal.iter_mut().zip(row) {
        *g = scale * (*g - constant - (x - mean) * scale * slope);
    }
}

impl LayerNorm {
    fn parameters<'a>(&self, inputs: &'a [FlexTensor]) -> (Option<&'a FlexTensor>, Option<&'a FlexTensor>) {
        (self.weight.then(|| &inputs[1]), self.bias.then(|| &inputs[inputs.len() - 1]))
    }
}

impl Kernel for LayerNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let x = row_major(&inputs[0]);
        let dim = last_size(&x);
        let (weight, bias) = self.parameters(inputs);
        let weight = weight.map_or_else(|| vec![1.0; dim], |weight| slice(&row_major(weight)).to_vec());
        let bias = bias.map_or_else(|| vec![0.0; dim], |bias| slice(&row_major(bias)).to_vec());
        let numbers = slice(&x);
        let mut out = vec![0.0; numbers.len()];
        fill_rows(&mut out, dim, |first, run| {
            for (out, row) in run.chunks_exact_mut(dim).zip(numbers[first * dim..].chunks_exact(dim)) {
                let (mean, scale) = moments(row, self.epsilon);
                for (((out, x), weight), bias) in out.iter_mut().zip(row).zip(&weight).zip(&bias) {
                    *out = (x - mean) * scale * weight + bias;
                }
            }
        });
        tensor(out, sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, gradient) = (row_major(&inputs[0]), row_major(gradient));
        let dim = last_size(&x);
        let (weight, _) = self.parameters(inputs);
        let weight = weight.map_or_else(|| vec![1.0; dim], |weight| slice(&row_major(weight)).to_vec());
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let mut out = vec![0.0; numbers.len()];
        let mut sums = fill_rows_and_sum(&mut out, dim, 2 * dim, |first, run, sums| {
            let rows = numbers[first * dim..].chunks_exact(dim);
            let gradients = gradients[first * dim..].chunks_exact(dim);
            let (to_weight, to_bias) = sums.split_at_mut(dim);
            for ((out, row), gradients) in run.chunks_exact_mut(dim).zip(rows).zip(gradients) {
                let (mean, scale) = moments(row, self.epsilon);
                add_parameters(to_weight, to_bias, row, gradients, mean, scale);
                for ((out, gradient), weight) in out.iter_mut().zip(gradients).zip(&weight) {
                    *out = gradient * weight;
                }
                through_norm(out, row, mean, scale);
            }
        });
        let to_bias = sums.split_off(dim);
        let mut parts = vec![Some(tensor(out, sizes(&x)))];
        if self.weight {
            parts.push(Some(tensor(sums, [dim])));
        }
        if self.bias {
            parts.push(Some(tensor(to_bias, [dim])));
        }
        parts
    }
}

/// Adds a row's gradients with respect to weight and bias.
#[inline(always)]
fn add_parameters(to_weight: &mut [f32], to_bias: &mut [f32], row: &[f32], gradients: &[f32], mean: f32, scale: f32) {
    for (((to_weight, to_bias), x), gradient) in to_weight.iter_mut().zip(to_bias).zip(row).zip(gradients) {
        *to_weight += gradient * ((x - mean) * scale);
        *to_bias += gradient;
    }
}

impl Kernel for ModulatedNorm {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let (x, modulation) = (row_major(&inputs[0]), row_major(&inputs[1]));
        let dim = last_size(&x);
        let (numbers, modulation) = (slice(&x), slice(&modulation));
        let group = numbers.len() / (modulation.len() / 2);
        let mut out = vec![0.0; numbers.len()];
        fill_rows(&mut out, dim, |first, run| {
            let rows = numbers[first * dim..].chunks_exact(dim);
            for (index, (out, row)) in run.chunks_exact_mut(dim).zip(rows).enumerate() {
                let start = (first + index) / group * 2 * dim;
                let (alpha, beta) = modulation[start..start + 2 * dim].split_at(dim);
                let (mean, scale) = moments(row, self.epsilon);
                for (((out, x), alpha), beta) in out.iter_mut().zip(row).zip(alpha).zip(beta) {
                    *out = (x - mean) * scale * (1.0 + alpha) + beta;
                }
            }
        });
        tensor(out, sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (x, modulation, gradient) = (row_major(&inputs[0]), row_major(&inputs[1]), row_major(gradient));
        let dim = last_size(&x);
        let modulation_sizes = sizes(&modulation);
        let (numbers, modulation, gradients) = (slice(&x), slice(&modulation), slice(&gradient));
        let group = numbers.len() / (modulation.len() / 2);
        // A group's numbers and its modulation's gradient stand together while they are computed: each has one owner.
        let width = group * dim + 2 * dim;
        let groups = modulation.len() / (2 * dim);
        let mut both = vec![0.0; groups * width];
        fill_rows(&mut both, width, |first, run| {
            for (index, both) in run.chunks_exact_mut(width).enumerate() {
                let at = first + index;
                let alpha = &modulation[at * 2 * dim..][..dim];
                let span = at * group * dim..(at + 1) * group * dim;
                let (out, sums) = both.split_at_mut(group * dim);
                let (to_alpha, to_beta) = sums.split_at_mut(dim);
                let rows = numbers[span.clone()].chunks_exact(dim).zip(gradients[span].chunks_exact(dim));
                for (out, (row, gradients)) in out.chunks_exact_mut(dim).zip(rows) {
                    let (mean, scale) = moments(row, self.epsilon);
                    add_parameters(to_alpha, to_beta, row, gradients, mean, scale);
                    for ((out, gradient), alpha) in out.iter_mut().zip(gradients).zip(alpha) {
                        *out = gradient * (1.0 + alpha);
                    }
                    through_norm(out, row, mean, scale);
                }
            }
        });
        let mut to_x = Vec::with_capacity(numbers.len());
        let mut to_modulation = Vec::with_capacity(modulation.len());
        for both in both.chunks_exact(width) {
            let (rows, sums) = both.split_at(group * dim);
            to_x.extend_from_slice(rows);
            to_modulation.extend_from_slice(sums);
        }
        vec![Some(tensor(to_x, sizes(&x))), Some(tensor(to_modulation, modulation_sizes))]
    }
}
