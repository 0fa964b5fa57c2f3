//! The gradient of a convolution's input: convolutions of the result's gradient, one for each remainder of the stride.

use super::Conv2d;
use super::lattice::Lattice;
use super::pass::{Pass, packed};

/// Rows (or columns) of the padded input that lie at one remainder of the stride: the same taps see all of them.
#[derive(Clone, Copy)]
struct StridePhase {
    remainder: usize,
    stride: usize,
    /// Zeros before the input.
    before: usize,
    /// Taps that see them.
    taps: usize,
    /// How many of them lie in the zeros before the input.
    skipped: usize,
    /// How many of them lie in the input.
    count: usize,
}

impl StridePhase {
    fn new(remainder: usize, stride: usize, before: usize, input: usize, taps: usize) -> Self {
        let until = |end: usize| end.saturating_sub(remainder).div_ceil(stride);
        let skipped = until(before);
        Self { remainder, stride, before, taps: until(taps), skipped, count: until(before + input) - skipped }
    }

    /// The first one in the input.
    fn first(&self) -> usize {
        self.skipped * self.stride + self.remainder - self.before
    }

    /// Rows of the gradient that the first one sees before the gradient begins.
    fn seen_before(&self) -> isize {
        self.taps as isize - 1 - self.skipped as isize
    }

    /// The tap of the weight that stands behind a tap of the gradient: they come in the opposite order.
    fn tap(&self, at: usize) -> usize {
        self.remainder + (self.taps - 1 - at) * self.stride
    }
}

/// Convolutions of the result's gradient that write each number of the input's gradient once. `x` and `of_weight` are the
/// sizes of input and weight.
pub(super) fn passes(convolution: &Conv2d, x: &[usize], of_weight: &[usize], weight: &[f32]) -> Vec<Pass> {
    let phases = |axis: usize| {
        let (stride, before) = (convolution.stride, convolution.before[axis]);
        (0..stride).map(move |at| StridePhase::new(at, stride, before, x[2 + axis], of_weight[2 + axis]))
    };
    let pairs = phases(0).flat_map(|rows| phases(1).map(move |columns| [rows, columns]));
    let filled = pairs.filter(|axes| axes.iter().all(|axis| axis.count > 0));
    filled.map(|axes| pass(convolution, axes, x, of_weight, weight)).collect()
}

fn pass(convolution: &Conv2d, axes: [StridePhase; 2], x: &[usize], of_weight: &[usize], weight: &[f32]) -> Pass {
    let taps = axes.map(|axis| axis.taps);
    let lattice = Lattice {
        channels: of_weight[0],
        image: convolution.result,
        places: axes.map(|axis| axis.count),
        taps,
        stride: 1,
        before: axes.map(|axis| axis.seen_before()),
    };
    let channels = x[1];
    // The weight is [from, channels, taps down, taps right].
    let area = of_weight[2] * of_weight[3];
    let offset =
        |from: usize, down, right| from * channels * area + axes[0].tap(down) * of_weight[3] + axes[1].tap(right);
    let offsets: Vec<usize> = (0..of_weight[0])
        .flat_map(|from| (0..taps[0]).map(move |down| (from, down)))
        .flat_map(|(from, down)| (0..taps[1]).map(move |right| offset(from, down, right)))
        .collect();
    let weight = packed(channels, weight, area, &offsets);
    let first = axes.map(|axis| axis.first());
    Pass { lattice, channels, weight, result: [x[2], x[3]], first, step: convolution.stride }
}
