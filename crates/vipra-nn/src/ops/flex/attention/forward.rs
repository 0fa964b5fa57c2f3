//! Attention of one head: logits, shares, weighted values.

use std::ops::Range;

use super::vectors::{Shaping, Vectors, transpose};
use super::{Shared, Task};
use crate::ops::flex::lanes::{exp, largest, sum_of};
use crate::ops::flex::product::{Left, add_first_columns, add_product, padded};
use crate::ops::flex::vectorize::vectorized;

/// Queries whose logits are in memory at the same time.
pub(super) const BLOCK: usize = 64;

impl<'a> Task<'a> {
    pub(super) fn shaping_of_queries(&self) -> Shaping<'a> {
        Shaping { rotary: self.rotary, scales: self.scales.map(|scales| scales[0]), factor: self.scale }
    }

    pub(super) fn shaping_of_keys(&self) -> Shaping<'a> {
        Shaping { rotary: self.rotary, scales: self.scales.map(|scales| scales[1]), factor: 1.0 }
    }

    /// Keys that a block of queries, `first..first + count`, can see at most: the first so many.
    #[inline(always)]
    pub(super) fn reach(&self, first: usize, count: usize) -> usize {
        if self.causal { first + count } else { self.shape.tokens }
    }

    /// Softmax over the keys for the queries `first..`, from the logits' products; over the first `reach` keys, the others
    /// are neither read nor written.
    #[inline(always)]
    pub(super) fn softmax_rows(&self, logits: &mut [f32], first: usize, reach: usize, sequence: usize, head: usize) {
        let tokens = self.shape.tokens;
        let batch = sequence / self.shape.side;
        let mask = self.key_mask.map(|mask| &mask[batch * tokens..][..tokens]);
        for (index, row) in logits.chunks_exact_mut(padded(tokens)).enumerate() {
            let row = &mut row[..padded(reach)];
            let query = first + index;
            row[reach..].fill(f32::NEG_INFINITY);
            if let Some(bias) = self.bias {
                let bias = &bias[(head * tokens + query) * tokens..][..tokens];
                row.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
            }
            if let Some(mask) = mask {
                for (logit, counts) in row.iter_mut().zip(mask) {
                    *logit = if *counts { *logit } else { f32::NEG_INFINITY };
                }
            }
            if self.causal {
                row[query + 1..].fill(f32::NEG_INFINITY);
            }
            if let Some(first_seen) = self.first_seen {
                let unseen = (first_seen[batch * tokens + query] as usize).min(reach);
                row[..unseen].fill(f32::NEG_INFINITY);
            }
            if let Some(branches) = self.branches {
                row[branches.hidden(query)].fill(f32::NEG_INFINITY);
            }
            let highest = largest(row);
            if highest == f32::NEG_INFINITY {
                row.fill(0.0);
                continue;
            }
            row.iter_mut().for_each(|logit| *logit = exp(*logit - highest));
            let share = 1.0 / sum_of(row, |x| x);
            row.iter_mut().for_each(|x| *x *= share);
        }
    }
}

vectorized! {
    pub(super) fn run(task: &Task, sequences: Range<usize>, head: usize, out: &Shared) {
        let shape = &task.shape;
        let (tokens, dim) = (shape.tokens, shape.head_dim);
        let (width, height) = (padded(dim), padded(tokens));
        let (mut queries, mut keys) = (Vectors::new(shape), Vectors::new(shape));
        let mut values = vec![0.0; tokens * width];
        let mut turned_keys = vec![0.0; width * height];
        let mut logits = vec![0.0; BLOCK.min(tokens) * height];
        let mut result = vec![0.0; BLOCK.min(tokens) * width];
        for sequence in sequences {
            queries.load(&task.query, shape, sequence, head, &task.shaping_of_queries());
            keys.load(&task.key, shape, sequence, head, &task.shaping_of_keys());
            task.value.load(shape, sequence, head, &mut values);
            transpose(&keys.ready, shape, &mut turned_keys);
            for first in (0..tokens).step_by(BLOCK) {
                let count = BLOCK.min(tokens - first);
                let (logits, result) = (&mut logits[..count * height], &mut result[..count * width]);
                logits.fill(0.0);
                let reach = task.reach(first, count);
                let queries = Left::Rows(&queries.ready[first * width..], width);
                add_first_columns(logits, queries, &turned_keys, width, height, padded(reach));
                task.softmax_rows(logits, first, reach, sequence, head);
                result.fill(0.0);
                add_product(result, Left::Rows(logits, height), &values, reach, width);
                for (index, result) in result.chunks_exact(width).enumerate() {
                    let start = shape.row(sequence, first + index) * shape.heads * dim + head * dim;
                    // SAFETY: each task writes its own head of its own sequences.
                    unsafe { out.place(start, dim) }.copy_from_slice(&result[..dim]);
                }
            }
        }
    }
}
