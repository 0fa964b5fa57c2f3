//! The gradient of a convolution's weight and bias.

use rayon::prelude::*;

use super::lattice::Lattice;
use super::scratch::with_scratch;
use super::tile::{Correlate, ROWS, dispatch};
use crate::ops::flex::lanes::sum_of;
use crate::ops::flex::parallel::total;

/// Most partial sums, each over some images.
const MOST_PARTS: usize = 16;
/// Numbers of all partial sums together, where one is not larger.
const MOST_NUMBERS: usize = 1 << 22;

/// Gradients of the weight, `[channels, depth]`, and after them of the bias, `[channels]`, from those of a batch of results
/// `[batch, channels, rows, columns]`, where the lattice sees `images`.
pub(super) fn gradients(lattice: &Lattice, channels: usize, images: &[f32], results: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let depth = lattice.depth();
    let of_image = lattice.channels * lattice.image[0] * lattice.image[1];
    let of_result = channels * lattice.places[0] * lattice.places[1];
    let blocks = channels.div_ceil(ROWS);
    let length = blocks * ROWS * (depth + 1);
    // Depends on the sizes alone: the order of the sums must not depend on the threads.
    let batch = images.len() / of_image;
    let parts = (MOST_NUMBERS / length).clamp(1, MOST_PARTS);
    let together = batch.div_ceil(parts).max(1);
    let offsets = lattice.offsets(lattice.rows_per_strip());
    let sums = images.par_chunks(together * of_image).zip(results.par_chunks(together * of_result)).map(
        |(images, results)| {
            let mut sums = vec![0.0; length];
            let (of_weight, of_bias) = sums.split_at_mut(blocks * ROWS * depth);
            for (image, result) in images.chunks_exact(of_image).zip(results.chunks_exact(of_result)) {
                add_image(lattice, &offsets, image, result, of_weight);
                let planes = result.chunks_exact(lattice.places[0] * lattice.places[1]);
                of_bias.iter_mut().zip(planes).for_each(|(sum, plane)| *sum += sum_of(plane, |x| x));
            }
            sums
        },
    );
    let mut sums = total(sums.collect(), length);
    let of_bias = sums.split_off(blocks * ROWS * depth);
    (unpacked(&sums, channels, depth), of_bias[..channels].to_vec())
}

/// Adds one image's share to the sums `[blocks of channels, depth, ROWS]`.
fn add_image(lattice: &Lattice, offsets: &[usize], image: &[f32], result: &[f32], sums: &mut [f32]) {
    let [rows, columns] = lattice.places;
    let strip = lattice.rows_per_strip();
    let run = lattice.tap_len(strip);
    with_scratch([lattice.strip_len(strip), ROWS * run], |[seen, left]| {
        for first in (0..rows).step_by(strip) {
            lattice.fill(seen, image, first, strip);
            let blocks = sums.chunks_exact_mut(lattice.depth() * ROWS).zip(result.chunks(ROWS * rows * columns));
            for (sums, planes) in blocks {
                let mut planes = planes.chunks_exact(rows * columns);
                for run in left.chunks_exact_mut(run) {
                    let of_strip = planes
                        .next()
                        .map_or(&[][..], |plane| &plane[first * columns..rows.min(first + strip) * columns]);
                    spread(run, of_strip, columns, lattice.row_stride());
                }
                dispatch(Correlate { sums, left, right: seen, offsets });
            }
        }
    });
}

/// Rows of `columns` numbers as the lattice counts them, with zeros wherever it has no place.
fn spread(run: &mut [f32], numbers: &[f32], columns: usize, row: usize) {
    let mut written = 0;
    for (line, numbers) in run.chunks_exact_mut(row).zip(numbers.chunks_exact(columns)) {
        line[..columns].copy_from_slice(numbers);
        line[columns..].fill(0.0);
        written += row;
    }
    run[written..].fill(0.0);
}

/// From `[blocks of channels, depth, ROWS]` to `[channels, depth]`.
fn unpacked(sums: &[f32], channels: usize, depth: usize) -> Vec<f32> {
    let of_channel = |channel: usize| {
        let block = &sums[channel / ROWS * depth * ROWS..][..depth * ROWS];
        block.chunks_exact(ROWS).map(move |numbers| numbers[channel % ROWS])
    };
    (0..channels).flat_map(of_channel).collect()
}
