//! Cutting work into pieces for the threads, by its size alone.

use rayon::prelude::*;

use super::vectorize::vectorized;

/// Numbers in a piece of element-wise work: enough to outweigh handing it over, few enough to stay in a core's cache.
const PIECE: usize = 16 * 1024;
/// Most pieces of a sum over rows: each has a partial sum of its own.
const MOST_PARTS: usize = 64;
/// Fewest rows in a piece of a sum over rows.
const FEWEST_ROWS: usize = 16;

/// Fills rows of `width` numbers: `work` gets the index of its first row and a run of whole rows.
pub(super) fn fill_rows(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
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

/// Fills rows as [`fill_rows`] does, while each piece adds into `sums` numbers of its own; returns their total, taken in
/// the pieces' order.
pub(super) fn fill_rows_and_sum(
    out: &mut [f32],
    width: usize,
    sums: usize,
    work: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> Vec<f32> {
    let rows = rows_of_part(out.len() / width.max(1));
    let parts: Vec<Vec<f32>> = out
        .par_chunks_mut((rows * width).max(1))
        .enumerate()
        .map(|(piece, run)| {
            let mut part = vec![0.0; sums];
            work(piece * rows, run, &mut part);
            part
        })
        .collect();
    total(parts, sums)
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
