//! Kernels of attention to tokens that were read before.
//!
//! What is held is read where it lies: nothing is joined, turned over or masked in memory. Logits stand key by key, a
//! block of queries beside each other, so that keys enter their product row by row, as they are held.

use std::borrow::Cow;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::Rotary;
use super::forward::BLOCK;
use super::vectors::{Role, Shape, Shaping, Vectors, rotate, transpose};
use crate::ops::flex::lanes::exp;
use crate::ops::flex::memory::{row_major, sizes, slice, tensor};
use crate::ops::flex::parallel::new_rows;
use crate::ops::flex::product::{Left, add_product, padded};
use crate::ops::flex::shared::Shared;
use crate::ops::flex::vectorize::vectorized;
use crate::ops::flex::{Kernel, outside_of_graphs};

/// Attention of new tokens to those held and, causally, to themselves. Inputs: queries, keys and values beside each other,
/// `[batch, new, 3·inner]`, then keys and values that are held, if there are any, `[batch, heads, held, head_dim]`.
#[derive(Debug)]
pub(in crate::ops) struct AttentionToCache {
    pub heads: usize,
    /// Angles of the new tokens.
    pub rotary: Rotary,
    /// Tokens at the beginning of each row that do not count, `[batch]`; each sees itself.
    pub left_padding: Option<Vec<u32>>,
}

/// What all heads see.
struct Task<'a> {
    shape: Shape,
    query: Role<'a>,
    key: Role<'a>,
    value: Role<'a>,
    rotary: &'a Rotary,
    left_padding: Option<&'a [u32]>,
    /// Tokens that are held.
    held: usize,
    held_keys: &'a [f32],
    held_values: &'a [f32],
}

impl Kernel for AttentionToCache {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let inputs: Vec<FlexTensor> = inputs.iter().map(row_major).collect();
        let projected = sizes(&inputs[0]);
        let (batch, new, inner) = (projected[0], projected[1], projected[2] / 3);
        let role = |part: usize| Role { numbers: slice(&inputs[0]), width: 3 * inner, offset: part * inner };
        let task = Task {
            shape: Shape { batch, tokens: new, side: 1, heads: self.heads, head_dim: inner / self.heads },
            query: role(0),
            key: role(1),
            value: role(2),
            rotary: &self.rotary,
            left_padding: self.left_padding.as_deref(),
            held: inputs.get(1).map_or(0, |keys| sizes(keys)[2]),
            held_keys: inputs.get(1).map_or(&[], slice),
            held_values: inputs.get(2).map_or(&[], slice),
        };
        let held = [batch, task.shape.heads, task.held, task.shape.head_dim];
        assert!(inputs[1..].iter().all(|input| sizes(input) == held), "rows and heads of the cache are the tokens'");
        assert!(task.left_padding.is_none_or(|padding| padding.len() == batch), "each row has its padding");
        let mut out = vec![0.0; batch * new * inner];
        let shared = Shared::new(&mut out);
        let heads = 0..batch * self.heads;
        heads.into_par_iter().for_each(|index| run(&task, index / self.heads, index % self.heads, &shared));
        tensor(out, [batch, new, inner])
    }

    fn backward(&self, _: &[FlexTensor], _: &FlexTensor, _: &[bool]) -> Vec<Option<FlexTensor>> {
        outside_of_graphs()
    }
}

impl<'a> Task<'a> {
    /// A head's part of what is held.
    #[inline(always)]
    fn of_head(&self, held: &'a [f32], row: usize, head: usize) -> &'a [f32] {
        let size = self.held * self.shape.head_dim;
        &held[(row * self.shape.heads + head) * size..][..size]
    }

    /// Hides keys from the queries `first..` that must not see them.
    #[inline(always)]
    fn hide(&self, logits: &mut [f32], height: usize, first: usize, row: usize) {
        let unseen = self.left_padding.map_or(0, |padding| padding[row] as usize);
        for (key, logits) in logits.chunks_exact_mut(height).enumerate() {
            // Among the queries of this block, where the key's own stands.
            let own = (key as isize) - (self.held + first) as isize;
            logits[..own.clamp(0, height as isize) as usize].fill(f32::NEG_INFINITY);
            if key < unseen {
                logits[(own + 1).clamp(0, height as isize) as usize..].fill(f32::NEG_INFINITY);
            }
        }
    }
}

vectorized! {
    fn run(task: &Task, row: usize, head: usize, out: &Shared) {
        let shape = &task.shape;
        let (tokens, dim, held) = (shape.tokens, shape.head_dim, task.held);
        let (width, height) = (padded(dim), padded(BLOCK.min(tokens)));
        let shaping = |factor: f32| Shaping { rotary: Some(task.rotary), scales: None, factor };
        let (mut queries, mut keys) = (Vectors::new(shape), Vectors::new(shape));
        let mut values = vec![0.0; tokens * width];
        queries.load(&task.query, shape, row, head, &shaping(1.0 / (dim as f32).sqrt()));
        keys.load(&task.key, shape, row, head, &shaping(1.0));
        task.value.load(shape, row, head, &mut values);
        let held_keys = task.of_head(task.held_keys, row, head);
        let held_values = in_padded_rows(task.of_head(task.held_values, row, head), dim);
        let mut turned = vec![0.0; width * height];
        let mut logits = vec![0.0; (held + tokens) * height];
        let mut result = vec![0.0; height * width];
        for first in (0..tokens).step_by(BLOCK) {
            let count = BLOCK.min(tokens - first);
            let (height, reach) = (padded(count), first + count);
            let (logits, result) = (&mut logits[..(held + reach) * height], &mut result[..height * width]);
            let block = Shape { tokens: count, ..*shape };
            let turned = &mut turned[..width * height];
            turned.fill(0.0);
            transpose(&queries.ready[first * width..][..count * width], &block, turned);

            logits.fill(0.0);
            let (to_held, to_new) = logits.split_at_mut(held * height);
            add_product(to_held, Left::Rows(held_keys, dim), turned, dim, height);
            add_product(to_new, Left::Rows(&keys.ready, width), turned, dim, height);
            task.hide(logits, height, first, row);
            let sums = exponentiate(logits, height);

            result.fill(0.0);
            let (of_held, of_new) = logits.split_at(held * height);
            add_product(result, Left::Columns(of_held, height), &held_values, held, width);
            add_product(result, Left::Columns(of_new, height), &values, reach, width);
            for (index, (result, sum)) in result.chunks_exact(width).zip(&sums).take(count).enumerate() {
                let start = shape.row(row, first + index) * shape.heads * dim + head * dim;
                // SAFETY: each task writes its own head of its own row.
                let out = unsafe { out.place(start, dim) };
                out.iter_mut().zip(result).for_each(|(out, x)| *out = x / sum);
            }
        }
    }
}

/// Rows of padded width; those that have it already stay where they are.
#[inline(always)]
fn in_padded_rows(rows: &[f32], dim: usize) -> Cow<'_, [f32]> {
    let width = padded(dim);
    if width == dim {
        return Cow::Borrowed(rows);
    }
    let mut wide = vec![0.0; rows.len() / dim * width];
    wide.chunks_exact_mut(width).zip(rows.chunks_exact(dim)).for_each(|(wide, row)| wide[..dim].copy_from_slice(row));
    Cow::Owned(wide)
}

/// Turns logits, `[keys, height]`, into the terms of each query's softmax, and returns their sums.
#[inline(always)]
fn exponentiate(logits: &mut [f32], height: usize) -> Vec<f32> {
    let mut highest = vec![f32::NEG_INFINITY; height];
    for logits in logits.chunks_exact(height) {
        highest.iter_mut().zip(logits).for_each(|(highest, x)| *highest = if x > highest { *x } else { *highest });
    }
    let mut sums = vec![0.0; height];
    for logits in logits.chunks_exact_mut(height) {
        for ((x, highest), sum) in logits.iter_mut().zip(&highest).zip(&mut sums) {
            *x = exp(*x - highest);
            *sum += *x;
        }
    }
    sums
}

/// Keys or values out of a projection, head by head: `[batch, tokens, 3·inner]` → `[batch, heads, tokens, head_dim]`.
#[derive(Debug)]
pub(in crate::ops) struct SplitPart {
    /// Queries are 0, keys 1, values 2.
    pub part: usize,
    pub heads: usize,
    /// Angles of the tokens, if the part is rotated.
    pub rotary: Option<Rotary>,
}

impl Kernel for SplitPart {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let projected = row_major(&inputs[0]);
        let sizes = sizes(&projected);
        let (batch, tokens, inner) = (sizes[0], sizes[1], sizes[2] / 3);
        let dim = inner / self.heads;
        let numbers = slice(&projected);
        let size = (tokens * dim).max(1);
        let out = new_rows(batch * tokens * inner, size, |first, run| {
            for (index, head) in run.chunks_exact_mut(size).enumerate() {
                let (row, at) = ((first + index) / self.heads, (first + index) % self.heads);
                for (token, out) in head.chunks_exact_mut(dim).enumerate() {
                    let start = (row * tokens + token) * 3 * inner + self.part * inner + at * dim;
                    out.copy_from_slice(&numbers[start..start + dim]);
                    if let Some(rotary) = &self.rotary {
                        rotate(out, rotary, [row, token], 1.0);
                    }
                }
            }
        });
        tensor(out, [batch, self.heads, tokens, dim])
    }

    fn backward(&self, _: &[FlexTensor], _: &FlexTensor, _: &[bool]) -> Vec<Option<FlexTensor>> {
        outside_of_graphs()
    }
}
