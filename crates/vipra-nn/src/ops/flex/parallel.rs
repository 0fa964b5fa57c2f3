//! Cutting work into pieces for the threads, by its size alone.

use rayon::prelude::*;

/// Numbers in a piece of element-wise work: enough to outweigh handing it over, few enough to stay in a core's cache.
const PIECE: usize = 16 * 1024;
/// Most pieces of a sum over rows: each has a partial sum of its own.
const MOST_PARTS: usize = 64;
/// Fewest rows in a piece of a sum over rows.
const FEWEST_ROWS: usize = 16;

/// Runs a closure compiled for the vectors of today's processors, where this processor has them. What the closure calls
/// has to be inlined into it.
#[inline(always)]
pub(super) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

/// Fills rows of `width` numbers: `work` gets the index of its first row and a run of whole rows.
pub(super) fn fill_rows(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = (PIECE / width.max(1)).max(1);
    if out.len() <= PIECE {
        vectorized(|| work(0, out));
        return;
    }
    out.par_chunks_mut(rows * width).enumerate().for_each(|(piece, run)| vectorized(|| work(piece * rows, run)));
}

/// Rows that belong to one partial sum. Depends on the number of rows alone, so that sums do not depend on the threads.
pub(super) fn rows_of_part(rows: usize) -> usize {
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
            vectorized(|| work(piece * rows, run, &mut part));
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
            vectorized(|| {
                for row in run.chunks_exact(width) {
                    part.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
            });
            part
        })
        .collect();
    total(parts, width)
}

/// Sum of equally long parts, in their order.
pub(super) fn total(parts: Vec<Vec<f32>>, length: usize) -> Vec<f32> {
    parts.into_iter().fold(vec![0.0; length], |mut total, part| {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        total
    })
}
