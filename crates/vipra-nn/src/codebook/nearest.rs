//! Assignment of vectors to codes.

use burn::tensor::{Int, Tensor};

/// Index of the nearest code of each vector, by squared distance; the lowest index among equals. No gradient flows through
/// it.
///
/// # Shapes
/// `x`: `[vectors, dim]`, `codebook`: `[codes, dim]` → `[vectors]`
pub fn nearest(x: Tensor<2>, codebook: Tensor<2>) -> Tensor<1, Int> {
    let x = x.without_autodiff();
    let codebook = codebook.without_autodiff();
    let squared = |x: Tensor<2>| x.square().sum_dim(1);
    // ‖x‖² − 2·x·c + ‖c‖²: [vectors, 1] − [vectors, codes] + [1, codes]
    let cross = x.clone().matmul(codebook.clone().transpose());
    let distances = squared(x) - cross * 2.0 + squared(codebook).transpose();
    distances.argmin(1).squeeze_dim(1)
}
