//! Kernel of the cross-entropy.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::Kernel;
use super::lanes::{exp, largest, sum_of};
use super::memory::{last_size, row_major, sizes, slice, tensor};
use super::parallel::new_rows;
use super::vectorize::vectorized;

/// Weighted sum of cross-entropies. Input: logits, `[rows, classes]`. The shares of the classes are computed again in the
/// backward pass: they are as many as the logits.
#[derive(Debug)]
pub(in crate::ops) struct CrossEntropy {
    pub targets: Vec<u32>,
    pub weights: Vec<f32>,
}

vectorized! {
    /// Logarithm of the sum of exponentials.
    fn log_sum(row: &[f32]) -> f32 {
        let highest = largest(row);
        highest + sum_of(row, |x| exp(x - highest)).ln()
    }
}

vectorized! {
    /// Softmax of a row, times a factor.
    fn scaled_softmax(out: &mut [f32], row: &[f32], factor: f32) {
        let highest = largest(row);
        out.iter_mut().zip(row).for_each(|(out, x)| *out = exp(x - highest));
        let scale = factor / sum_of(out, |x| x);
        out.iter_mut().for_each(|out| *out *= scale);
    }
}

impl Kernel for CrossEntropy {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let logits = row_major(&inputs[0]);
        let classes = last_size(&logits).max(1);
        let rows = slice(&logits).par_chunks_exact(classes).zip(&self.targets).zip(&self.weights);
        let terms: Vec<f64> = rows
            .map(|((row, target), weight)| f64::from(*weight) * f64::from(log_sum(row) - row[*target as usize]))
            .collect();
        tensor(vec![terms.iter().sum::<f64>() as f32], [1])
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let (logits, gradient) = (row_major(&inputs[0]), row_major(gradient));
        let classes = last_size(&logits).max(1);
        let (numbers, gradient) = (slice(&logits), slice(&gradient)[0]);
        let out = new_rows(numbers.len(), classes, |first, run| {
            for (index, out) in run.chunks_exact_mut(classes).enumerate() {
                let row = first + index;
                let factor = gradient * self.weights[row];
                scaled_softmax(out, &numbers[row * classes..][..classes], factor);
                out[self.targets[row] as usize] -= factor;
            }
        });
        vec![Some(tensor(out, sizes(&logits)))]
    }
}
