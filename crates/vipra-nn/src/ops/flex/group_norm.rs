//! Kernel of the group norm with its activation.

use burn::backend::flex::FlexTensor;

use super::Kernel;
use super::lanes::{exp, mean_and_inverse_std, sum_of, sum_of_two};
use super::memory::{row_major, sizes, slice, tensor};
use super::parallel::{new_rows, new_rows_and_sums};
use super::vectorize::vectorized;

/// `silu(norm(x)·weight + bias)` over groups of channels. Inputs: `x`, `[batch, channels, height, width]`, weight, bias.
#[derive(Debug)]
pub(in crate::ops) struct GroupNormSilu {
    /// Groups of channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

vectorized! {
    fn normalize(out: &mut [f32], x: &[f32], weight: &[f32], bias: &[f32], places: usize, epsilon: f32) {
        let (mean, scale) = mean_and_inverse_std(x, epsilon);
        let channels = out.chunks_exact_mut(places).zip(x.chunks_exact(places));
        for ((out, x), (weight, bias)) in channels.zip(weight.iter().zip(bias)) {
            let (slope, shift) = (scale * weight, bias - mean * scale * weight);
            for (out, x) in out.iter_mut().zip(x) {
                let value = x * slope + shift;
                *out = value / (1.0 + exp(-value));
            }
        }
    }
}

vectorized! {
    /// Gradients of [`normalize`]; those of weight and bias are added.
    fn normalize_back(
        out: &mut [f32],
        x: &[f32],
        gradients: &[f32],
        weight: &[f32],
        bias: &[f32],
        to_weight: &mut [f32],
        to_bias: &mut [f32],
        places: usize,
        epsilon: f32,
    ) {
        let (mean, scale) = mean_and_inverse_std(x, epsilon);
        let (mut constant, mut slope) = (0.0, 0.0);
        let planes = out.chunks_exact_mut(places).zip(x.chunks_exact(places)).zip(gradients.chunks_exact(places));
        for (channel, ((out, x), gradients)) in planes.enumerate() {
            let (weight, bias) = (weight[channel], bias[channel]);
            for ((out, x), gradient) in out.iter_mut().zip(x).zip(gradients) {
                let value = (x - mean) * scale * weight + bias;
                let share = 1.0 / (1.0 + exp(-value));
                *out = gradient * (share + value * share * (1.0 - share));
            }
            let sum = sum_of(out, |g| g);
            let product = sum_of_two(out, x, |g, x| g * ((x - mean) * scale));
            to_weight[channel] += product;
            to_bias[channel] += sum;
            constant += weight * sum;
            slope += weight * product;
        }
        let share = 1.0 / x.len() as f32;
        let (constant, slope) = (constant * share, slope * share);
        for (channel, (out, x)) in out.chunks_exact_mut(places).zip(x.chunks_exact(places)).enumerate() {
            let weight = weight[channel];
            for (out, x) in out.iter_mut().zip(x) {
                *out = scale * (*out * weight - constant - (x - mean) * scale * slope);
            }
        }
    }
}

impl GroupNormSilu {
    /// Channels of a group, places of a channel, numbers of a group.
    fn measure(&self, x: &FlexTensor) -> (usize, usize, usize) {
        let sizes = sizes(x);
        let (channels, places) = (sizes[1] / self.groups, sizes[2] * sizes[3]);
        (channels, places, channels * places)
    }
}

impl Kernel for GroupNormSilu {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let [x, weight, bias] = [0, 1, 2].map(|index| row_major(&inputs[index]));
        let (channels, places, size) = self.measure(&x);
        let (numbers, weight, bias) = (slice(&x), slice(&weight), slice(&bias));
        let out = new_rows(numbers.len(), size, |first, run| {
            for (index, out) in run.chunks_exact_mut(size).enumerate() {
                let at = first + index;
                let of_group = at % self.groups * channels..(at % self.groups + 1) * channels;
                let weight = &weight[of_group.clone()];
                let bias = &bias[of_group.clone()];
                normalize(out, &numbers[at * size..(at + 1) * size], weight, bias, places, self.epsilon);
            }
        });
        tensor(out, sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let [x, weight, bias] = [0, 1, 2].map(|index| row_major(&inputs[index]));
        let gradient = row_major(gradient);
        let (channels, places, size) = self.measure(&x);
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let (weight, bias) = (slice(&weight), slice(&bias));
        let all = weight.len();
        let (out, mut to_weight) = new_rows_and_sums(numbers.len(), size, 2 * all, |first, run, sums| {
            let (to_weight, to_bias) = sums.split_at_mut(all);
            for (index, out) in run.chunks_exact_mut(size).enumerate() {
                let at = first + index;
                let of_group = at % self.groups * channels..(at % self.groups + 1) * channels;
                normalize_back(
                    out,
                    &numbers[at * size..(at + 1) * size],
                    &gradients[at * size..(at + 1) * size],
                    &weight[of_group.clone()],
                    &bias[of_group.clone()],
                    &mut to_weight[of_group.clone()],
                    &mut to_bias[of_group.clone()],
                    places,
                    self.epsilon,
                );
            }
        });
        let to_bias = to_weight.split_off(all);
        vec![Some(tensor(out, sizes(&x))), Some(tensor(to_weight, [all])), Some(tensor(to_bias, [all]))]
    }
}
