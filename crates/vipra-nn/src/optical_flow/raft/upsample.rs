//! From an eighth of the resolution to all of it.

use burn::tensor::{Device, Tensor, TensorData, activation};

/// Size of a coarse pixel in fine pixels.
pub(super) const FACTOR: usize = 8;

/// Each fine pixel is a weighted mean of the 3×3 coarse pixels around it, the weights given by the mask.
///
/// # Shapes
/// `flow`: `[pairs, 2, height, width]`, `mask`: `[pairs, 9·8·8, height, width]` → `[pairs, 2, 8·height, 8·width]`
pub(super) fn upsample_by_mask(flow: Tensor<4>, mask: Tensor<4>) -> Tensor<4> {
    let [pairs, channels, height, width] = flow.dims();
    let device = flow.device().without_autodiff();
    let padded = Tensor::zeros([pairs, channels, height + 2, width + 2], &device)
        .slice_assign([0..pairs, 0..channels, 1..height + 1, 1..width + 1], flow * FACTOR as f64);
    // [pairs, 9, 64, height, width], weights that sum to one over the nine neighbours.
    let weights = activation::softmax(mask.reshape([pairs, 9, FACTOR * FACTOR, height, width]), 1);
    let channel = |index: usize| {
        let neighbours = (0..9).map(|neighbour| {
            padded.clone().slice([
                0..pairs,
                index..index + 1,
                neighbour / 3..neighbour / 3 + height,
                neighbour % 3..neighbour % 3 + width,
            ])
        });
        // [pairs, 9, 1, height, width]
        let neighbours = Tensor::cat(neighbours.collect(), 1).unsqueeze_dim::<5>(2);
        (weights.clone() * neighbours)
            .sum_dim(1)
            .reshape([pairs, FACTOR, FACTOR, height, width])
            // -> [pairs, height, 8, width, 8]
            .permute([0, 3, 1, 4, 2])
            .reshape([pairs, 1, height * FACTOR, width * FACTOR])
    };
    Tensor::cat((0..channels).map(channel).collect(), 1)
}

/// Each fine pixel lies evenly between coarse pixels; the corners stay at the corners.
///
/// As one matrix for the rows and one for the columns: the framework's own interpolation has no gradient on GPUs.
///
/// # Shapes
/// `[pairs, 2, height, width]` → `[pairs, 2, 8·height, 8·width]`
pub(super) fn upsample_evenly(flow: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = flow.dims();
    let device = flow.device().without_autodiff();
    let down = interpolation(height, &device).unsqueeze::<4>();
    let across = interpolation(width, &device).transpose().unsqueeze::<4>();
    down.matmul(flow * FACTOR as f64).matmul(across)
}

/// Linear interpolation of `size` values to eight times as many.
///
/// # Shapes
/// → `[8·size, size]`
fn interpolation(size: usize, device: &Device) -> Tensor<2> {
    let fine = size * FACTOR;
    let mut shares = vec![0.0_f32; fine * size];
    for (row, shares) in shares.chunks_exact_mut(size).enumerate() {
        // In coarse pixels.
        let at = (row * (size - 1)) as f64 / (fine - 1) as f64;
        let near = at as usize;
        let share = (at - near as f64) as f32;
        shares[near] = 1.0 - share;
        if let Some(far) = shares.get_mut(near + 1) {
            *far = share;
        }
    }
    Tensor::from_data(TensorData::new(shares, [fine, size]), device)
}
