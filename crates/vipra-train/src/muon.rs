//! Muon's update of a matrix (<https://kellerjordan.github.io/posts/muon>; step size as in arXiv 2502.16982).
//!
//! Adam's step goes mostly along the few directions in which the gradient of a matrix is large. Muon's goes equally far along
//! all of them.

use burn::tensor::Tensor;

use crate::sum::ordered_sum;

/// Iterations after which singular values are around 1.
const ITERATIONS: usize = 5;
/// Coefficients of the quintic of an iteration: steep at 0, so that small singular values grow quickly.
const QUINTIC: [f32; 3] = [3.4445, -4.7750, 2.0315];
/// Root mean square of a step, that of AdamW, so that both use the same learning rate.
const STEP_SIZE: f64 = 0.2;

/// The direction of a step: the gradient with Nesterov momentum, orthogonalised so that all singular values are near 1, and
/// scaled to the length of AdamW's.
///
/// # Shapes
/// `gradient`, `average`: `[rows, columns]` → the same
pub(crate) fn direction(gradient: Tensor<2>, average: Tensor<2>, beta: f64) -> Tensor<2> {
    let [rows, columns] = gradient.dims();
    let ahead = gradient * (1.0 - beta) + average * beta;
    orthogonalized(ahead) * (STEP_SIZE * (rows.max(columns) as f64).sqrt())
}

/// The Newton–Schulz iteration, on the side on which the product with the transpose is smaller.
fn orthogonalized(matrix: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = matrix.dims();
    if rows > columns {
        return orthogonalized(matrix.transpose()).transpose();
    }
    let [linear, cubic, quintic] = QUINTIC;
    let length = ordered_sum(matrix.clone().square()).sqrt() + 1e-7;
    let start = matrix / length.reshape([1, 1]);
    (0..ITERATIONS).fold(start, |x, _| {
        let square = x.clone().matmul(x.clone().transpose());
        let higher = square.clone() * cubic + square.clone().matmul(square) * quintic;
        x.clone() * linear + higher.matmul(x)
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn singular_values_come_near_one() {
        let device = Device::flex();
        for shape in [[6, 20], [20, 6]] {
            let matrix = Tensor::<2>::random(shape, Distribution::Normal(0.0, 3.0), &device);
            let found = orthogonalized(matrix);
            let found = if shape[0] > shape[1] { found.transpose() } else { found };
            let values: Vec<f32> = found.clone().matmul(found.transpose()).to_data().iter::<f32>().collect();
            for (at, value) in values.iter().enumerate() {
                let (low, high) = if at / 6 == at % 6 { (0.3, 1.5) } else { (-0.5, 0.5) };
                assert!((low..high).contains(value), "{at}: {value}");
            }
        }
    }

    #[test]
    fn a_step_is_as_long_as_adams() {
        let device = Device::flex();
        let gradient = Tensor::<2>::random([32, 96], Distribution::Normal(0.0, 0.01), &device);
        let step = direction(gradient.clone(), gradient, 0.9);
        let mean_square: f32 = step.square().mean().into_scalar();
        // √(32 singular values of about 1 over 32·96 numbers) · 0.2 · √96.
        assert!((0.1..0.3).contains(&mean_square.sqrt()), "{}", mean_square.sqrt());
    }
}
