//! Cross-entropy at chosen positions.

use burn::tensor::{Int, Tensor, TensorData, activation};

use super::flex::{self, run, serves};

/// `Σ weight · (−log softmax(logits)[target])`: the sum over rows, each with a weight of its own, so that a mean is
/// whatever the weights make of it.
///
/// # Shapes
/// `logits`: `[rows, classes]`; a target and a weight for each row → `[1]`
pub fn cross_entropy(logits: Tensor<2>, targets: &[u32], weights: &[f32]) -> Tensor<1> {
    if !serves(&logits) {
        return cross_entropy_unfused(logits, targets, weights);
    }
    run!(flex::cross_entropy::CrossEntropy { targets: targets.to_vec(), weights: weights.to_vec() }, logits)
}

/// [`cross_entropy`] unfused.
pub(super) fn cross_entropy_unfused(logits: Tensor<2>, targets: &[u32], weights: &[f32]) -> Tensor<1> {
    let rows = targets.len();
    let device = logits.device().without_autodiff();
    let targets: Vec<i64> = targets.iter().map(|target| i64::from(*target)).collect();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [rows, 1]), &device);
    let weights = Tensor::<2>::from_data(TensorData::new(weights.to_vec(), [rows, 1]), &device);
    let chosen = activation::log_softmax(logits, 1).gather(1, targets);
    (chosen * weights).sum().neg()
}
