//! Cutting work into pieces for the threads, by its size alone.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::vectorize::vectorized;

/// Numbers in a piece of element-wise work: enough to outweigh handing it over, few enough to stay in a core's cache.
const PIECE: usize = 16 * 1024;
/// Most pieces of a sum over rows: each has a partial sum of its own.
const MOST_PARTS: usize = 64;
/// Fewest rows in a piece of a sum over rows.
const FEWEST_ROWS: usize = 16;

/// New rows of `width` numbers, `count` numbers in all, zero at first: `work` gets the index of its first row and a run of
/// whole rows.
pub(super) fn new_rows(count: usize, width: usize, work: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = Vec::with_capacity(count);
    let rows = (PIECE / width.max(1)).max(1);
    // Each piece is set to zero just before its turn, while it is on its way to the cache anyway.
    let pieces = out.spare_capacity_mut()[..count].par_chunks_mut((rows * width).max(1)).enumerate();
    pieces.for_each(|(piece, run)| work(piece * rows, zeroed(run)));
    // SAFETY: the pieces cover the first `count` numbers, and each of them was set to zero.
    unsafe { out.set_len(count) };
    out
}

/// The same numbers, set to zero.
fn zeroed(numbers: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    numbers.iter_mut().for_each(|number| {
        number.write(0.0);
    });
    // SAFETY: each number was just written.
    unsafe { numbers.assume_init_mut() }
}

/// Changes rows of `width` numbers as [`new_rows`] makes them.
pub(super) fn change_rows(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() <= PIECE {
        work(0, out);
        return;
    }
    let rows = (PIECE / width).max(1);
    out.par_chunks_mut(rows * width).enumerate().for_each(|(piece, run)| work(piece * rows, run));
}

/// Rows that belong to one partial sum. Depends on the number of rows alone, so that sums do not depend on the threads.
fn rows_of_part(rows: usize) -> usize {
    rows.div_ceil(MOST_PARTS).max(FEWEST_ROWS)
}

/// New rows as by [`new_rows`], while each piece adds into `sums` numbers of its own; beside the rows the total of those,
/// taken in the pieces' order.
pub(super) fn new_rows_and_sums(
    count: usize,
    width: usize,
    sums: usize,
    work: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let mut out = Vec::with_capacity(count);
    let rows = rows_of_part(count / width.max(1));
    let pieces = out.spare_capacity_mut()[..count].par_chunks_mut((rows * width).max(1)).enumerate();
    let parts: Vec<Vec<f32>> = pieces
        .map(|(piece, run)| {
            let mut part = vec![0.0; sums];
            work(piece * rows, zeroed(run), &mut part);
            part
        })
        .collect();
    // SAFETY: the pieces cover the first `count` numbers, and each of them was set to zero.
    unsafe { out.set_len(count) };
    (out, total(parts, sums))
}

/// Sum of rows of `width` numbers.
pub(super) fn sum_rows(numbers: &[f32], width: usize) -> Vec<f32> {
    let rows = rows_of_part(numbers.len() / width.max(1));
    let parts: Vec<Vec<f32>> = numbers
        .par_chunks((rows * width).max(1))
        .map(|run| {
            let mut part = vec![0.0; width];
            add_rows(&mut part, run);
            part
        })
        .collect();
    total(parts, width)
}

vectorized! {
    fn add_rows(sums: &mut [f32], rows: &[f32]) {
        for row in rows.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    }
}

/// Sum of equally long parts, in their order.
pub(super) fn total(parts: Vec<Vec<f32>>, length: usize) -> Vec<f32> {
    parts.into_iter().fold(vec![0.0; length], |mut total, part| {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        total
    })
}
