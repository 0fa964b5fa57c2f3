//! Queries, keys and values of one head, out of the projections and their gradients back into them.

use super::Rotary;
use crate::ops::flex::lanes::{sum_of, sum_of_two};
use crate::ops::flex::product::padded;
use crate::ops::flex::shared::Shared;
use crate::ops::norm::MIN_LENGTH;
use crate::ops::rope::Pairs;

/// Sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub batch: usize,
    pub tokens: usize,
    pub side: usize,
    pub heads: usize,
    pub head_dim: usize,
}

impl Shape {
    /// Index of a token of a sequence among all tokens.
    #[inline(always)]
    pub(super) fn row(&self, sequence: usize, token: usize) -> usize {
        (sequence / self.side * self.tokens + token) * self.side + sequence % self.side
    }
}

/// Where the queries, the keys or the values stand in a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role<'a> {
    pub numbers: &'a [f32],
    /// Channels of a token.
    pub width: usize,
    /// First channel of the first head.
    pub offset: usize,
}

impl Role<'_> {
    #[inline(always)]
    pub(super) fn start(&self, shape: &Shape, row: usize, head: usize) -> usize {
        row * self.width + self.offset + head * shape.head_dim
    }

    /// Copies a head of a sequence into rows of padded width.
    #[inline(always)]
    pub(super) fn load(&self, shape: &Shape, sequence: usize, head: usize, out: &mut [f32]) {
        for (token, out) in out.chunks_exact_mut(padded(shape.head_dim)).enumerate() {
            let start = self.start(shape, shape.row(sequence, token), head);
            out[..shape.head_dim].copy_from_slice(&self.numbers[start..start + shape.head_dim]);
        }
    }
}

/// What happens to queries or keys between projection and product.
#[derive(Clone, Copy)]
pub(super) struct Shaping<'a> {
    pub rotary: Option<&'a Rotary>,
    /// Factors of the vectors of length 1; vectors keep their length where there are none.
    pub scales: Option<&'a [f32]>,
    /// Factor of all.
    pub factor: f32,
}

/// Vectors of one head on the way.
pub(super) struct Vectors {
    /// Rotated, and of length 1 if that is wanted.
    pub units: Vec<f32>,
    /// One over the length that each had.
    inverse: Vec<f32>,
    /// What enters the product.
    pub ready: Vec<f32>,
}

impl Vectors {
    pub(super) fn new(shape: &Shape) -> Self {
        let width = padded(shape.head_dim);
        Self {
            units: vec![0.0; shape.tokens * width],
            inverse: vec![1.0; shape.tokens],
            ready: vec![0.0; shape.tokens * width],
        }
    }

    #[inline(always)]
    pub(super) fn load(&mut self, role: &Role, shape: &Shape, sequence: usize, head: usize, shaping: &Shaping) {
        let (width, dim) = (padded(shape.head_dim), shape.head_dim);
        role.load(shape, sequence, head, &mut self.units);
        let rows = self.units.chunks_exact_mut(width).zip(self.ready.chunks_exact_mut(width)).zip(&mut self.inverse);
        for (token, ((unit, ready), inverse)) in rows.enumerate() {
            let (unit, ready) = (&mut unit[..dim], &mut ready[..dim]);
            if let Some(rotary) = shaping.rotary {
                rotate(unit, rotary, [sequence / shape.side, token], 1.0);
            }
            let Some(scales) = shaping.scales else {
                ready.iter_mut().zip(unit).for_each(|(ready, unit)| *ready = *unit * shaping.factor);
                continue;
            };
            let squared = sum_of(unit, |x| x * x);
            *inverse = 1.0 / squared.max(MIN_LENGTH * MIN_LENGTH).sqrt();
            for ((ready, unit), scale) in ready.iter_mut().zip(unit).zip(scales) {
                *unit *= *inverse;
                *ready = *unit * scale * shaping.factor;
            }
        }
    }

    /// Turns gradients with respect to what entered the product into those of the projection, in place, and writes them
    /// where the vectors came from. Adds the gradients of the factors.
    ///
    /// # Safety
    /// Nobody else may write this head of this sequence.
    #[inline(always)]
    pub(super) unsafe fn unload(
        &self,
        gradients: &mut [f32],
        to_scales: &mut [f32],
        shape: &Shape,
        shaping: &Shaping,
        to: (&Shared, &Role),
        at: (usize, usize),
    ) {
        let (width, dim) = (padded(shape.head_dim), shape.head_dim);
        let rows = gradients.chunks_exact_mut(width).zip(self.units.chunks_exact(width)).zip(&self.inverse);
        for (token, ((gradient, unit), inverse)) in rows.enumerate() {
            let (gradient, unit) = (&mut gradient[..dim], &unit[..dim]);
            match shaping.scales {
                None => gradient.iter_mut().for_each(|g| *g *= shaping.factor),
                Some(scales) => {
                    for (((g, unit), scale), to_scale) in gradient.iter_mut().zip(unit).zip(scales).zip(&mut *to_scales)
                    {
                        *to_scale += *g * shaping.factor * unit;
                        *g *= shaping.factor * scale;
                    }
                    // A length that was clamped is a constant, any other one takes the part along the vector away.
                    let clamped = *inverse == 1.0 / (MIN_LENGTH * MIN_LENGTH).sqrt();
                    let along = if clamped { 0.0 } else { sum_of_two(gradient, unit, |g, unit| g * unit) };
                    gradient.iter_mut().zip(unit).for_each(|(g, unit)| *g = (*g - unit * along) * inverse);
                }
            }
            if let Some(rotary) = shaping.rotary {
                rotate(gradient, rotary, [at.0 / shape.side, token], -1.0);
            }
            let start = to.1.start(shape, shape.row(at.0, token), at.1);
            // SAFETY: this head of this sequence is the caller's.
            unsafe { to.0.place(start, dim) }.copy_from_slice(gradient);
        }
    }
}

/// Rotates pairs of channels by the angles of a row's token, forwards or backwards.
#[inline(always)]
pub(super) fn rotate(x: &mut [f32], rotary: &Rotary, [row, token]: [usize; 2], direction: f32) {
    let half = x.len() / 2;
    let start = row * rotary.row_stride + token * half;
    let angles = rotary.cos[start..][..half].iter().zip(&rotary.sin[start..][..half]);
    match rotary.pairs {
        Pairs::Halves => {
            let (first, second) = x.split_at_mut(half);
            for ((first, second), (cos, sin)) in first.iter_mut().zip(second).zip(angles) {
                (*first, *second) = rotated(*first, *second, *cos, sin * direction);
            }
        }
        Pairs::Neighbours => {
            for ([first, second], (cos, sin)) in x.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                (*first, *second) = rotated(*first, *second, *cos, sin * direction);
            }
        }
    }
}

#[inline(always)]
fn rotated(first: f32, second: f32, cos: f32, sin: f32) -> (f32, f32) {
    (first * cos - second * sin, second * cos + first * sin)
}

/// Turns rows of padded width over: `[tokens, padded dim]` → `[padded dim, padded tokens]`.
#[inline(always)]
pub(super) fn transpose(x: &[f32], shape: &Shape, out: &mut [f32]) {
    let (width, height) = (padded(shape.head_dim), padded(shape.tokens));
    for (token, row) in x.chunks_exact(width).enumerate() {
        for (x, out) in row.iter().zip(out.chunks_exact_mut(height)) {
            out[token] = *x;
        }
    }
}
