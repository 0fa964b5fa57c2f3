//! Rotary positions.

use burn::tensor::{Device, Tensor, TensorData, bf16};

/// Base of the rotary frequencies of the latent action model (reference 2).
const THETA: f64 = 10_000.0;

/// Which channels of a vector are rotated together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// `(i, i + dim/2)`: "rotate half".
    Halves,
    /// `(2·i, 2·i + 1)`: interleaved.
    Neighbours,
}

/// How exactly angles are computed. A model goes on working only with the angles that it was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnglePrecision {
    /// In 64 bits.
    Double,
    /// Frequencies and angles in 32 bits.
    Single,
    /// Angles, cosines and sines rounded to bfloat16, so that neighbouring positions above some 256 have equal angles
    /// (reference 6.3).
    Brain,
}

/// Cosines and sines of the angle of each token and each pair of channels, of each row or of all rows alike.
#[derive(Debug, Clone)]
pub struct RotaryTable {
    /// `[rows or 1, tokens, dim/2]`
    pub cos: Tensor<3>,
    /// `[rows or 1, tokens, dim/2]`
    pub sin: Tensor<3>,
    /// Which channels belong together.
    pub pairs: Pairs,
}

impl RotaryTable {
    /// Of the latent action model: angles `position · 10000^(−i/(dim/2))` of the positions `0..positions` (reference 2).
    pub fn new(positions: usize, dim: usize, device: &Device) -> Self {
        Self::of(0..positions, dim, THETA, AnglePrecision::Double, Pairs::Halves, device)
    }

    /// Angles `position · theta^(−i/(dim/2))` of tokens that stand at the same positions in all rows.
    pub fn of(
        positions: impl IntoIterator<Item = usize>,
        dim: usize,
        theta: f64,
        precision: AnglePrecision,
        pairs: Pairs,
        device: &Device,
    ) -> Self {
        Self::of_rows(1, positions, dim, theta, precision, pairs, device)
    }

    /// As [`of`](Self::of), with the positions of the tokens of each of `rows` rows, `[rows, tokens]`.
    pub fn of_rows(
        rows: usize,
        positions: impl IntoIterator<Item = usize>,
        dim: usize,
        theta: f64,
        precision: AnglePrecision,
        pairs: Pairs,
        device: &Device,
    ) -> Self {
        let positions: Vec<usize> = positions.into_iter().collect();
        let (tokens, half) = (positions.len() / rows.max(1), dim / 2);
        let frequencies: Vec<f64> = (0..half).map(|index| theta.powf(-(index as f64) / half as f64)).collect();
        let angles = positions.iter().flat_map(|at| frequencies.iter().map(move |f| angle(*at, *f, precision)));
        let angles: Vec<f64> = angles.collect();
        let table = |of: fn(f64) -> f64| {
            let round = |x: f64| match precision {
                AnglePrecision::Brain => bf16::from_f64(x).to_f32(),
                _ => x as f32,
            };
            let values: Vec<f32> = angles.iter().map(|angle| round(of(*angle))).collect();
            Tensor::from_data(TensorData::new(values, [rows, tokens, half]), &device.clone().without_autodiff())
        };
        Self { cos: table(f64::cos), sin: table(f64::sin), pairs }
    }
}

fn angle(position: usize, frequency: f64, precision: AnglePrecision) -> f64 {
    match precision {
        AnglePrecision::Double => position as f64 * frequency,
        AnglePrecision::Single => f64::from(position as f32 * frequency as f32),
        AnglePrecision::Brain => bf16::from_f64(position as f64 * frequency).to_f64(),
    }
}

/// Rotates the pairs of each vector by the angle of its position.
///
/// # Shapes
/// `x`: `[batch, heads, positions, dim]` → the same.
pub fn rotate(x: Tensor<4>, table: &RotaryTable) -> Tensor<4> {
    let [batch, heads, positions, dim] = x.dims();
    let half = dim / 2;
    let (first, second) = match table.pairs {
        Pairs::Halves => (x.clone().narrow(3, 0, half), x.narrow(3, half, half)),
        Pairs::Neighbours => {
            let pairs = x.reshape([batch, heads, positions, half, 2]);
            (pairs.clone().narrow(4, 0, 1).squeeze_dim(4), pairs.narrow(4, 1, 1).squeeze_dim(4))
        }
    };
    // -> [rows or 1, 1, positions, half]
    let cos = table.cos.clone().unsqueeze_dim::<4>(1);
    let sin = table.sin.clone().unsqueeze_dim::<4>(1);
    let rotated_first = first.clone() * cos.clone() - second.clone() * sin.clone();
    let rotated_second = second * cos + first * sin;
    match table.pairs {
        Pairs::Halves => Tensor::cat(vec![rotated_first, rotated_second], 3),
        Pairs::Neighbours => {
            let pairs: Tensor<5> = Tensor::stack(vec![rotated_first, rotated_second], 4);
            pairs.reshape([batch, heads, positions, dim])
        }
    }
}
