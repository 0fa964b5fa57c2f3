//! Kernel of the position generator: a depthwise convolution over time, rows and columns of tokens as they stand.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::Kernel;
use super::memory::{row_major, sizes, slice, tensor};
use super::parallel::{new_rows, total};
use super::vectorize::vectorized;

/// Channels whose sums are kept in registers together.
const CHANNELS: usize = 32;
/// Groups that the frames are put into; each sums the gradient of the kernel on its own.
const GROUPS: usize = 16;

/// Each token plus the weighted sum of its neighbours, channel by channel. Inputs: tokens `[batch, time, tokens, dim]`, of
/// which the first `rows·columns` of each frame have a place, weight `[dim, 1, taps of time, of rows, of columns]`, bias
/// `[dim]`. Tokens without a place stay as they are.
#[derive(Debug)]
pub(in crate::ops) struct AddNeighbours {
    /// Rows and columns.
    pub grid: [usize; 2],
    /// Zero frames before the first frame; rows and columns are padded by half the kernel.
    pub frames_before: usize,
}

/// Everything about a convolution but its numbers.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    time: usize,
    tokens: usize,
    grid: [usize; 2],
    dim: usize,
    taps: [usize; 3],
    /// Zeros before the first frame, row and column.
    before: [usize; 3],
}

impl Geometry {
    /// Length of a frame.
    fn frame(&self) -> usize {
        self.tokens * self.dim
    }

    fn volume(&self) -> usize {
        self.taps.iter().product()
    }

    /// The frame that the tap sees from a frame of the batch, if it is inside of the clip.
    #[inline(always)]
    fn source_frame(&self, frame: usize, tap: usize) -> Option<usize> {
        let time = (frame % self.time + tap).checked_sub(self.before[0])?;
        (time < self.time).then(|| frame - frame % self.time + time)
    }

    /// Places along an axis whose neighbour at the tap is inside: first and last plus one.
    #[inline(always)]
    fn inside(&self, axis: usize, tap: usize) -> (usize, usize) {
        let (size, before) = (self.grid[axis - 1], self.before[axis]);
        (before.saturating_sub(tap).min(size), (size + before).saturating_sub(tap).min(size))
    }

    /// The same for the gradient by the tokens: the kernel turned round.
    fn turned(&self) -> Self {
        let before = std::array::from_fn(|axis| self.taps[axis] - 1 - self.before[axis]);
        Self { before, ..*self }
    }
}

vectorized! {
    /// One frame of tokens plus neighbours. `weight` is `[taps, dim]`.
    fn add_frame(out: &mut [f32], x: &[f32], weight: &[f32], bias: &[f32], frame: usize, geometry: &Geometry) {
        out.copy_from_slice(&x[frame * geometry.frame()..][..geometry.frame()]);
        let dim = geometry.dim;
        let [rows, columns] = geometry.grid;
        for channel in (0..dim).step_by(CHANNELS) {
            for row in 0..rows {
                for column in 0..columns {
                    let place = (row * columns + column) * dim + channel;
                    let at = Place { frame, row, column, channel };
                    if channel + CHANNELS <= dim {
                        add_channels::<CHANNELS>(&mut out[place..], x, weight, bias, at, geometry);
                    } else {
                        for single in 0..dim - channel {
                            let at = Place { channel: channel + single, ..at };
                            add_channels::<1>(&mut out[place + single..], x, weight, bias, at, geometry);
                        }
                    }
                }
            }
        }
    }
}

/// A token and its first channel of interest.
#[derive(Clone, Copy)]
struct Place {
    frame: usize,
    row: usize,
    column: usize,
    channel: usize,
}

/// `N` channels of one token.
#[inline(always)]
fn add_channels<const N: usize>(
    out: &mut [f32],
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    at: Place,
    geometry: &Geometry,
) {
    let dim = geometry.dim;
    let [rows, columns] = geometry.grid;
    let mut sums = [0.0; N];
    sums.copy_from_slice(&bias[at.channel..at.channel + N]);
    for time_tap in 0..geometry.taps[0] {
        let Some(source) = geometry.source_frame(at.frame, time_tap) else { continue };
        for row_tap in 0..geometry.taps[1] {
            let row = (at.row + row_tap).wrapping_sub(geometry.before[1]);
            if row >= rows {
                continue;
            }
            for column_tap in 0..geometry.taps[2] {
                let column = (at.column + column_tap).wrapping_sub(geometry.before[2]);
                if column >= columns {
                    continue;
                }
                let tap = (time_tap * geometry.taps[1] + row_tap) * geometry.taps[2] + column_tap;
                let weight = &weight[tap * dim + at.channel..][..N];
                let x = &x[(source * geometry.tokens + row * columns + column) * dim + at.channel..][..N];
                for lane in 0..N {
                    sums[lane] += weight[lane] * x[lane];
                }
            }
        }
    }
    out[..N].iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
}

vectorized! {
    /// Adds a frame's gradients of the kernel, `[taps, dim]`, and of the bias, `[dim]`.
    fn add_gradients(sums: &mut [f32], x: &[f32], gradient: &[f32], frame: usize, geometry: &Geometry) {
        let dim = geometry.dim;
        for channel in (0..dim).step_by(CHANNELS) {
            if channel + CHANNELS <= dim {
                add_gradients_of::<CHANNELS>(sums, x, gradient, frame, channel, geometry);
            } else {
                for channel in channel..dim {
                    add_gradients_of::<1>(sums, x, gradient, frame, channel, geometry);
                }
            }
        }
    }
}

#[inline(always)]
fn add_gradients_of<const N: usize>(
    sums: &mut [f32],
    x: &[f32],
    gradient: &[f32],
    frame: usize,
    channel: usize,
    geometry: &Geometry,
) {
    let (dim, columns) = (geometry.dim, geometry.grid[1]);
    let gradient = &gradient[frame * geometry.frame()..][..geometry.frame()];
    for time_tap in 0..geometry.taps[0] {
        let Some(source) = geometry.source_frame(frame, time_tap) else { continue };
        let x = &x[source * geometry.frame()..][..geometry.frame()];
        for row_tap in 0..geometry.taps[1] {
            let (first_row, end_row) = geometry.inside(1, row_tap);
            for column_tap in 0..geometry.taps[2] {
                let (first_column, end_column) = geometry.inside(2, column_tap);
                let mut sum = [0.0; N];
                for row in first_row..end_row {
                    for column in first_column..end_column {
                        let from = (row + row_tap - geometry.before[1]) * columns + column + column_tap;
                        let x = &x[(from - geometry.before[2]) * dim + channel..][..N];
                        let gradient = &gradient[(row * columns + column) * dim + channel..][..N];
                        for lane in 0..N {
                            sum[lane] += gradient[lane] * x[lane];
                        }
                    }
                }
                let tap = (time_tap * geometry.taps[1] + row_tap) * geometry.taps[2] + column_tap;
                sums[tap * dim + channel..][..N].iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
            }
        }
    }
    let bias = geometry.volume() * dim + channel;
    for row in gradient.chunks_exact(dim).take(geometry.grid[0] * columns) {
        sums[bias..][..N].iter_mut().zip(&row[channel..]).for_each(|(total, gradient)| *total += gradient);
    }
}

impl AddNeighbours {
    fn geometry(&self, inputs: &[FlexTensor]) -> Geometry {
        let (x, weight) = (sizes(&inputs[0]), sizes(&inputs[1]));
        let taps = [weight[2], weight[3], weight[4]];
        let before = [self.frames_before, taps[1] / 2, taps[2] / 2];
        Geometry { time: x[1], tokens: x[2], grid: self.grid, dim: x[3], taps, before }
    }
}

/// `[dim, 1, taps..]` → `[taps, dim]`, the taps backwards if `turned`.
fn tap_by_tap(weight: &[f32], geometry: &Geometry, turned: bool) -> Vec<f32> {
    let (dim, volume) = (geometry.dim, geometry.volume());
    let of = |tap: usize| if turned { volume - 1 - tap } else { tap };
    (0..volume * dim).map(|index| weight[index % dim * volume + of(index / dim)]).collect()
}

fn convolve(x: &[f32], weight: &[f32], bias: &[f32], geometry: &Geometry) -> Vec<f32> {
    let frame = geometry.frame();
    new_rows(x.len(), frame, |first, run| {
        for (index, out) in run.chunks_exact_mut(frame.max(1)).enumerate() {
            add_frame(out, x, weight, bias, first + index, geometry);
        }
    })
}

impl Kernel for AddNeighbours {
    fn forward(&self, inputs: &[FlexTensor]) -> FlexTensor {
        let geometry = self.geometry(inputs);
        let [x, weight, bias] = [0, 1, 2].map(|index| row_major(&inputs[index]));
        let weight = tap_by_tap(slice(&weight), &geometry, false);
        tensor(convolve(slice(&x), &weight, slice(&bias), &geometry), sizes(&x))
    }

    fn backward(&self, inputs: &[FlexTensor], gradient: &FlexTensor, _wanted: &[bool]) -> Vec<Option<FlexTensor>> {
        let geometry = self.geometry(inputs);
        let (x, weight, gradient) = (row_major(&inputs[0]), row_major(&inputs[1]), row_major(gradient));
        let (numbers, gradients) = (slice(&x), slice(&gradient));
        let turned = tap_by_tap(slice(&weight), &geometry, true);
        let to_x = convolve(gradients, &turned, &vec![0.0; geometry.dim], &geometry.turned());

        let frames = numbers.len() / geometry.frame().max(1);
        let size = frames.div_ceil(GROUPS).max(1);
        let length = (geometry.volume() + 1) * geometry.dim;
        let parts: Vec<Vec<f32>> = (0..frames.div_ceil(size))
            .into_par_iter()
            .map(|group| {
                let mut sums = vec![0.0; length];
                for frame in group * size..frames.min((group + 1) * size) {
                    add_gradients(&mut sums, numbers, gradients, frame, &geometry);
                }
                sums
            })
            .collect();
        let mut sums = total(parts, length);
        let to_bias = sums.split_off(geometry.volume() * geometry.dim);
        // [taps, dim] -> [dim, 1, taps..]
        let (dim, volume) = (geometry.dim, geometry.volume());
        let to_weight = (0..sums.len()).map(|index| sums[index % volume * dim + index / volume]).collect();
        vec![Some(tensor(to_x, sizes(&x))), Some(tensor(to_weight, sizes(&weight))), Some(tensor(to_bias, [dim]))]
    }
}
