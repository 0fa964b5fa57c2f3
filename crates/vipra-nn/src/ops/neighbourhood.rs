//! What tokens learn from their neighbours in time and space.

use burn::tensor::Tensor;

use super::conv3d::{TimePadding, conv3d_by_time};
use super::flex::{self, run};

/// Each token plus the weighted sum of its neighbours, channel by channel: a depthwise 3-D convolution and its residual.
/// Tokens behind the grid's have no place on it and stay as they are.
///
/// # Shapes
/// `x`: `[batch, time, tokens, dim]`, the first `rows·columns` tokens of a frame in row-major order, `weight`:
/// `[dim, 1, taps, kernel, kernel]`, `bias`: `[dim]` → the shape of `x`.
pub fn add_neighbours(
    x: Tensor<4>,
    weight: Tensor<5>,
    bias: Tensor<1>,
    grid: [usize; 2],
    padding: TimePadding,
) -> Tensor<4> {
    // The kernel keeps the number of frames.
    if flex::serves(&x) && padding.before + padding.after + 1 == weight.dims()[2] {
        run!(flex::neighbourhood::AddNeighbours { grid, frames_before: padding.before }, x, weight, bias)
    } else {
        add_neighbours_unfused(x, weight, bias, grid, padding)
    }
}

/// [`add_neighbours`] unfused.
pub(super) fn add_neighbours_unfused(
    x: Tensor<4>,
    weight: Tensor<5>,
    bias: Tensor<1>,
    grid: [usize; 2],
    padding: TimePadding,
) -> Tensor<4> {
    let [batch, time, tokens, dim] = x.dims();
    let [rows, columns] = grid;
    let patches = rows * columns;
    let on_grid = x.clone().narrow(2, 0, patches);
    // -> [batch, time, dim, rows, columns]
    let planes = on_grid.clone().swap_dims(2, 3).reshape([batch, time, dim, rows, columns]);
    let sums =
        conv3d_by_time(planes, weight, bias, padding, 1, dim).reshape([batch, time, dim, patches]).swap_dims(2, 3);
    match tokens - patches {
        0 => on_grid + sums,
        extra => Tensor::cat(vec![on_grid + sums, x.narrow(2, patches, extra)], 2),
    }
}
