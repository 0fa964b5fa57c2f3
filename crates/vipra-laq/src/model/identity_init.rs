//! Initial weights that make the decoder nearly the identity: it repeats the current frame.
//!
//! Nearly everything in the next frame is already in the current one. A decoder with random weights takes thousands of steps
//! to learn that, and until then the codes, which describe the rest, are noise to it. Residual layers add nothing at first,
//! so a patch only passes through a projection, two norms and another projection. The first projection is a discrete cosine
//! transform, truncated to the lowest frequencies if there are fewer channels than coefficients; the last one is its inverse.
//! A few channels hold a constant minus the sum of the others, so that both norms see mean 0 and variance 1 and change
//! nothing.

use std::f64::consts::PI;

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};

use super::laq::{CHANNELS, FrameEmbedding};

/// Scale of the coefficients in the tokens.
const SIGNAL: f64 = 0.5;
/// Mid-grey, which is subtracted from pixels.
const GREY: f64 = 0.5;
/// Brightness and two colour differences, orthogonal, each with its squared length.
const COLORS: [([f64; 3], f64); 3] = [([1.0, 1.0, 1.0], 3.0), ([1.0, 0.0, -1.0], 2.0), ([1.0, -2.0, 1.0], 6.0)];
/// A colour difference counts as a frequency this many times as high, and so is dropped before brightness.
const COLOR_COST: usize = 2;

/// Sets both projections.
pub(super) fn init_as_identity(embedding: &mut FrameEmbedding, to_pixels: &mut Linear, patch: usize, device: &Device) {
    let dim = embedding.proj.bias.dims()[0];
    let values = CHANNELS * patch * patch;
    let constants = (dim / 4).min(8) & !1;
    let basis = dct_basis(patch, dim - constants);
    let signals = basis.len();
    let level = (dim as f64 / constants.max(1) as f64).sqrt();
    let (mut project, mut bias) = (vec![0.0_f32; dim * values], vec![0.0_f32; dim]);
    let mut restore = vec![0.0_f32; dim * values];
    for (channel, row) in basis.iter().enumerate() {
        for (at, value) in row.iter().enumerate() {
            project[channel * values + at] = (SIGNAL * value) as f32;
            restore[channel * values + at] = (value / SIGNAL) as f32;
        }
        bias[channel] = (-SIGNAL * GREY * row.iter().sum::<f64>()) as f32;
    }
    let sum_of = |at: usize| -> f64 { basis.iter().map(|row| row[at]).sum() };
    let sums: Vec<f64> = (0..values).map(sum_of).collect();
    for constant in 0..constants {
        let channel = dim - constants + constant;
        for (at, sum) in sums.iter().enumerate() {
            project[channel * values + at] = (-SIGNAL * sum / constants as f64) as f32;
        }
        let balance = SIGNAL * GREY * sums.iter().sum::<f64>() / constants as f64;
        let sign = if constant % 2 == 0 { 1.0 } else { -1.0 };
        bias[channel] = (sign * level + balance) as f32;
    }
    debug_assert!(signals <= dim - constants);
    let project = TensorData::new(project, [dim, CHANNELS, patch, patch]);
    embedding.proj.weight = Param::from_tensor(Tensor::from_data(project, device));
    embedding.proj.bias = Param::from_tensor(Tensor::from_data(TensorData::new(bias, [dim]), device));
    to_pixels.weight = Param::from_tensor(Tensor::from_data(TensorData::new(restore, [dim, values]), device));
    to_pixels.bias = Some(Param::from_tensor(Tensor::full([values], GREY, device)));
}

/// At most `count` orthonormal cosine patterns of a patch, `[channels · patch · patch]` each, the coarsest first.
fn dct_basis(patch: usize, count: usize) -> Vec<Vec<f64>> {
    let mut order: Vec<(usize, usize, usize, usize)> = Vec::with_capacity(CHANNELS * patch * patch);
    for color in 0..CHANNELS {
        for vertical in 0..patch {
            for horizontal in 0..patch {
                let cost = (vertical + horizontal) * if color == 0 { 1 } else { COLOR_COST };
                order.push((cost, color, vertical, horizontal));
            }
        }
    }
    order.sort_unstable();
    order.truncate(count);
    let wave = |frequency: usize, at: usize| {
        let norm = if frequency == 0 { 1.0 } else { 2.0 } / patch as f64;
        norm.sqrt() * (PI * frequency as f64 * (2 * at + 1) as f64 / (2 * patch) as f64).cos()
    };
    order
        .into_iter()
        .map(|(_, color, vertical, horizontal)| {
            let (color, squared) = COLORS[color];
            let value = |channel: usize, y: usize, x: usize| {
                color[channel] / squared.sqrt() * wave(vertical, y) * wave(horizontal, x)
            };
            let pixels = (0..CHANNELS).flat_map(|channel| (0..patch).map(move |y| (channel, y)));
            pixels
                .flat_map(|(channel, y)| (0..patch).map(move |x| (channel, y, x)))
                .map(|(c, y, x)| value(c, y, x))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tensor};

    use crate::LaqConfig;

    fn error_of_first_frames(dim: usize, frames: Tensor<5>) -> f32 {
        let config = LaqConfig { dim, frame_size: [16, 16], patch: 4, heads: 2, ..LaqConfig::default() };
        let laq = config.init(&Device::flex()).unwrap();
        let [batch, time, ..] = frames.dims();
        let latents = Tensor::random([batch, time, 4, 32], Distribution::Normal(0.0, 1.0), &Device::flex());
        let rebuilt = laq.decode(frames.clone(), latents).unwrap();
        (rebuilt - frames).abs().max().into_scalar::<f32>()
    }

    #[test]
    fn a_new_decoder_repeats_the_frame_whatever_the_codes() {
        let device = Device::flex();
        let noise = Tensor::<5>::random([2, 3, 3, 16, 16], Distribution::Uniform(0.0, 1.0), &device);
        // Exact up to the norms' second order where there is a channel for every coefficient.
        let error = error_of_first_frames(64, noise);
        assert!(error < 0.05, "{error}");
        // With half as many channels, what is smooth survives.
        let ramp = Tensor::<1, burn::tensor::Int>::arange(0..16, &device).float() / 16.0;
        let smooth: Tensor<5> = ramp.reshape([1, 1, 1, 1, 16]).expand([1, 2, 3, 16, 16]);
        let error = error_of_first_frames(32, smooth);
        assert!(error < 0.05, "{error}");
    }
}
