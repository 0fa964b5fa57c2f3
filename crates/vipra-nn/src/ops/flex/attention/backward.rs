//! Gradients of one head. The shares are computed again: they are too many to keep.

use std::ops::Range;

use super::forward::BLOCK;
use super::vectors::{Role, Vectors, transpose};
use super::{Shared, Task};
use crate::ops::flex::lanes::sum_of_two;
use crate::ops::flex::product::{Left, add_first_columns, add_product, padded};
use crate::ops::flex::vectorize::vectorized;

/// Where the gradients of the projections go.
pub(super) struct Places<'a> {
    pub query: &'a Shared<'a>,
    pub key_value: &'a Shared<'a>,
}

/// Sums over the sequences of a task.
pub(super) struct Part {
    pub query_scales: Vec<f32>,
    pub key_scales: Vec<f32>,
    /// `[tokens, padded tokens]`; empty without a bias.
    pub bias: Vec<f32>,
}

vectorized! {
    pub(super) fn run(task: &Task, sequences: Range<usize>, head: usize, gradient: &Role, places: &Places) -> Part {
        let shape = &task.shape;
        let (tokens, dim) = (shape.tokens, shape.head_dim);
        let (width, height) = (padded(dim), padded(tokens));
        let mut part = Part {
            query_scales: vec![0.0; dim],
            key_scales: vec![0.0; dim],
            bias: vec![0.0; if task.bias.is_some() { tokens * height } else { 0 }],
        };
        let vectors = || vec![0.0; tokens * width];
        let (mut queries, mut keys) = (Vectors::new(shape), Vectors::new(shape));
        let (mut values, mut gradients) = (vectors(), vectors());
        let (mut to_queries, mut to_keys, mut to_values) = (vectors(), vectors(), vectors());
        let mut turned_keys = vec![0.0; width * height];
        let mut turned_values = vec![0.0; width * height];
        let mut shares = vec![0.0; BLOCK.min(tokens) * height];
        let mut to_logits = vec![0.0; BLOCK.min(tokens) * height];
        for sequence in sequences {
            queries.load(&task.query, shape, sequence, head, &task.shaping_of_queries());
            keys.load(&task.key, shape, sequence, head, &task.shaping_of_keys());
            task.value.load(shape, sequence, head, &mut values);
            gradient.load(shape, sequence, head, &mut gradients);
            transpose(&keys.ready, shape, &mut turned_keys);
            transpose(&values, shape, &mut turned_values);
            for sums in [&mut to_queries, &mut to_keys, &mut to_values] {
                sums.fill(0.0);
            }
            for first in (0..tokens).step_by(BLOCK) {
                let count = BLOCK.min(tokens - first);
                let (shares, to_logits) = (&mut shares[..count * height], &mut to_logits[..count * height]);
                let block = first * width..(first + count) * width;
                let reach = task.reach(first, count);
                shares.fill(0.0);
                let of_block = Left::Rows(&queries.ready[block.clone()], width);
                add_first_columns(shares, of_block, &turned_keys, width, height, padded(reach));
                task.softmax_rows(shares, first, reach, sequence, head);
                to_logits.fill(0.0);
                let of_block = Left::Rows(&gradients[block.clone()], width);
                add_first_columns(to_logits, of_block, &turned_values, width, height, padded(reach));
                for (to_logits, shares) in to_logits.chunks_exact_mut(height).zip(shares.chunks_exact(height)) {
                    let (to_logits, shares) = (&mut to_logits[..padded(reach)], &shares[..padded(reach)]);
                    let mean = sum_of_two(to_logits, shares, |to, share| to * share);
                    to_logits.iter_mut().zip(shares).for_each(|(to, share)| *to = share * (*to - mean));
                }
                if let Some(sums) = part.bias.get_mut(first * height..(first + count) * height) {
                    sums.iter_mut().zip(&*to_logits).for_each(|(sum, to)| *sum += to);
                }
                let seen = ..reach * width;
                let of_block = &queries.ready[block.clone()];
                add_product(&mut to_queries[block.clone()], Left::Rows(to_logits, height), &keys.ready, reach, width);
                add_product(&mut to_keys[seen], Left::Columns(to_logits, height), of_block, count, width);
                add_product(&mut to_values[seen], Left::Columns(shares, height), &gradients[block], count, width);
            }
            let at = (sequence, head);
            // SAFETY: each task writes its own head of its own sequences, and the three roles are different channels.
            unsafe {
                let shaping = task.shaping_of_queries();
                let to = (places.query, &task.query);
                queries.unload(&mut to_queries, &mut part.query_scales, shape, &shaping, to, at);
                let shaping = task.shaping_of_keys();
                let to = (places.key_value, &task.key);
                keys.unload(&mut to_keys, &mut part.key_scales, shape, &shaping, to, at);
            }
            for (token, to_value) in to_values.chunks_exact(width).enumerate() {
                let start = task.value.start(shape, shape.row(sequence, token), head);
                // SAFETY: as above.
                unsafe { places.key_value.place(start, dim) }.copy_from_slice(&to_value[..dim]);
            }
        }
        part
    }
}
