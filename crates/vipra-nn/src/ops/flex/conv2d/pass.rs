//! One convolution of a batch of images, of which each number of the result is written once.

use std::ops::Range;

use rayon::prelude::*;

use super::lattice::Lattice;
use super::scratch::with_scratch;
use super::tile::{Multiply, ROWS, dispatch};
use super::unwritten::Unwritten;

/// A convolution, and where its places lie in the result.
#[derive(Debug)]
pub(super) struct Pass {
    /// What its places see.
    pub lattice: Lattice,
    /// Channels of the result.
    pub channels: usize,
    /// Of groups of [`ROWS`] channels: `[depth, ROWS]`, zero where there are no more channels.
    pub weight: Vec<f32>,
    /// Height and width of the result.
    pub result: [usize; 2],
    /// Row and column of the first place in the result.
    pub first: [usize; 2],
    /// Between neighbouring places, in the result.
    pub step: usize,
}

/// Weights as [`Pass::weight`] wants them: that of channel `c` and depth `k` is `weight[c·step + offsets[k]]`.
pub(super) fn packed(channels: usize, weight: &[f32], step: usize, offsets: &[usize]) -> Vec<f32> {
    let mut out = vec![0.0; channels.div_ceil(ROWS) * offsets.len() * ROWS];
    out.par_chunks_mut((offsets.len() * ROWS).max(1)).enumerate().for_each(|(block, out)| {
        let first = block * ROWS;
        for (numbers, offset) in out.chunks_exact_mut(ROWS).zip(offsets) {
            let of_channels = numbers.iter_mut().zip(first..channels);
            of_channels.for_each(|(number, channel)| *number = weight[channel * step + offset]);
        }
    });
    out
}

impl Pass {
    /// Convolves all images, one strip of one image after the other.
    ///
    /// # Safety
    /// No one else may use the places in `out` that belong to this pass, meanwhile.
    pub(super) unsafe fn run(&self, images: &[f32], bias: Option<&[f32]>, out: &Unwritten) {
        let [height, width] = self.lattice.image;
        let of_image = self.lattice.channels * height * width;
        let (strip, rows) = (self.lattice.rows_per_strip(), self.lattice.places[0]);
        let strips = rows.div_ceil(strip);
        let offsets = self.lattice.offsets(strip);
        (0..images.len() / of_image * strips).into_par_iter().for_each(|item| {
            let (image, first) = (item / strips, item % strips * strip);
            let numbers = &images[image * of_image..][..of_image];
            // The last strip may be shorter; it is computed as long as the others, and not written.
            let kept = strip.min(rows - first);
            with_scratch([self.lattice.strip_len(strip), ROWS * self.lattice.tap_len(strip)], |[seen, sums]| {
                if !offsets.is_empty() {
                    self.lattice.fill(seen, numbers, first, strip);
                }
                let depth = self.lattice.depth();
                for block in 0..self.channels.div_ceil(ROWS) {
                    let left = &self.weight[block * depth * ROWS..][..depth * ROWS];
                    dispatch(Multiply { out: sums, left, right: seen, offsets: &offsets });
                    // SAFETY: this strip of these channels of this image is written here alone.
                    unsafe { self.write(sums, bias, out, image, block, first..first + kept) };
                }
            });
        });
    }

    /// Rows of places `rows` of a block of channels, to where they belong.
    ///
    /// # Safety
    /// No one else may use these places of `out`, meanwhile.
    unsafe fn write(
        &self,
        sums: &[f32],
        bias: Option<&[f32]>,
        out: &Unwritten,
        image: usize,
        block: usize,
        rows: Range<usize>,
    ) {
        let ([height, width], columns) = (self.result, self.lattice.places[1]);
        let channels = block * ROWS..self.channels.min((block + 1) * ROWS);
        for (channel, sums) in channels.zip(sums.chunks_exact(sums.len() / ROWS)) {
            let bias = bias.map_or(0.0, |bias| bias[channel]);
            for (row, sums) in rows.clone().zip(sums.chunks_exact(self.lattice.row_stride())) {
                let line = (image * self.channels + channel) * height + self.first[0] + row * self.step;
                let start = line * width + self.first[1];
                // SAFETY: as promised by the caller.
                unsafe { out.write(start, self.step, &sums[..columns], bias) };
            }
        }
    }
}
