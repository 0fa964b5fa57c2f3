//! Rotary positions along time.

use burn::tensor::{Device, Tensor, TensorData};

/// Base of the rotary frequencies (reference 2).
const THETA: f64 = 10_000.0;

/// Cosines and sines of the angle of each position and each pair of channels.
#[derive(Debug, Clone)]
pub struct RotaryTable {
    /// `[positions, dim/2]`
    pub cos: Tensor<2>,
    /// `[positions, dim/2]`
    pub sin: Tensor<2>,
}

impl RotaryTable {
    /// Angles `position · 10000^(−i/(dim/2))` of positions `0..positions` (reference 2), computed in f64.
    pub fn new(positions: usize, dim: usize, device: &Device) -> Self {
        let half = dim / 2;
        let angles = (0..positions).flat_map(|position| {
            (0..half).map(move |index| position as f64 * THETA.powf(-(index as f64) / half as f64))
        });
        let angles: Vec<f64> = angles.collect();
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|angle| of(*angle) as f32).collect();
            Tensor::from_data(TensorData::new(values, [positions, half]), &device.clone().without_autodiff())
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }
}

/// Rotates the pairs `(i, i + dim/2)` of each vector by the angle of its position ("rotate half", reference 2).
///
/// # Shapes
/// `x`: `[batch, heads, positions, dim]` → the same.
pub fn rotate_half(x: Tensor<4>, table: &RotaryTable) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let cos = table.cos.clone().unsqueeze::<4>();
    let sin = table.sin.clone().unsqueeze::<4>();
    let first = x.clone().narrow(3, 0, half);
    let second = x.narrow(3, half, half);
    let rotated_first = first.clone() * cos.clone() - second.clone() * sin.clone();
    let rotated_second = second * cos + first * sin;
    Tensor::cat(vec![rotated_first, rotated_second], 3)
}
