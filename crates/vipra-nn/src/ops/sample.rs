//! Sampling pictures between their pixels.

use burn::tensor::{Int, Tensor};

/// Bilinear samples of one picture each in a square window around one place each; zero outside of the pictures.
///
/// All samples of a window lie at the same distance from their pixels, so one gather of `(2·radius + 2)²` pixels and four
/// weights make them all. No gradient flows into the places.
///
/// # Shapes
/// `pictures`: `[pictures, rows, columns]`, `x`, `y`: `[pictures]` in pixels →
/// `[pictures, 2·radius + 1 (along y), 2·radius + 1 (along x)]`
pub(crate) fn sample_window(pictures: Tensor<3>, x: Tensor<1>, y: Tensor<1>, radius: usize) -> Tensor<3> {
    let [count, rows, columns] = pictures.dims();
    let side = 2 * radius + 1;
    let axis = |at: Tensor<1>, size: usize| {
        let at = at.without_autodiff();
        let floor = at.clone().floor();
        let share = (at - floor.clone()).reshape([count, 1, 1]);
        let offsets = Tensor::<1, Int>::arange(-(radius as i64)..radius as i64 + 2, &floor.device()).float();
        // [pictures, side + 1]
        let pixels = floor.unsqueeze_dim::<2>(1) + offsets.unsqueeze::<2>();
        let inside = pixels.clone().greater_equal_scalar(0.0).bool_and(pixels.clone().lower_scalar(size as f64));
        // Clamped as numbers: a place far outside must not overflow an index.
        (share, pixels.clamp(0.0, (size - 1) as f64).int(), inside)
    };
    let (share_x, pixels_x, inside_x) = axis(x, columns);
    let (share_y, pixels_y, inside_y) = axis(y, rows);
    let shape = [count, side + 1, side + 1];
    let across = |x: Tensor<2, Int>| x.unsqueeze_dim::<3>(1).expand(shape);
    let down = |y: Tensor<2, Int>| y.unsqueeze_dim::<3>(2).expand(shape);
    let inside = inside_x.unsqueeze_dim::<3>(1).expand(shape).bool_and(inside_y.unsqueeze_dim::<3>(2).expand(shape));
    let indices = down(pixels_y) * columns as i64 + across(pixels_x);
    let values = pictures
        .reshape([count, rows * columns])
        .gather(1, indices.reshape([count, (side + 1) * (side + 1)]))
        .reshape(shape)
        .mask_fill(inside.bool_not(), 0.0);
    // Blend along x, then along y.
    let blend = |values: Tensor<3>, dim: usize, share: Tensor<3>| {
        let near = values.clone().narrow(dim, 0, side);
        let far = values.narrow(dim, 1, side);
        near * (share.clone().neg() + 1.0) + far * share
    };
    blend(blend(values, 2, share_x), 1, share_y)
}

/// Bilinear samples of each picture where a flow points from each pixel; beyond the border the border's pixels. Beside it
/// 1 where the flow points into the picture and 0 elsewhere. No gradient flows into the flow.
///
/// # Shapes
/// `pictures`: `[pictures, channels, height, width]`, `flow`: `[pictures, 2, height, width]`, x then y, in pixels →
/// `[pictures, channels, height, width]` and `[pictures, 1, height, width]`
pub(crate) fn warp(pictures: Tensor<4>, flow: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let [count, channels, height, width] = pictures.dims();
    let flow = flow.without_autodiff();
    let device = flow.device();
    let axis = |index: usize, size: usize, start: Tensor<4>| {
        let last = (size - 1) as f64;
        let at = flow.clone().narrow(1, index, 1) + start;
        let inside = at.clone().greater_equal_scalar(0.0).bool_and(at.clone().lower_equal_scalar(last)).float();
        let at = at.clamp(0.0, last);
        // The last pixel's own floor would have no pixel behind it.
        let floor = at.clone().floor().clamp_max((last - 1.0).max(0.0));
        let share = at - floor.clone();
        let next = (floor.clone() + 1.0).clamp_max(last);
        (inside, share, [floor.int(), next.int()])
    };
    let columns = Tensor::<1, Int>::arange(0..width as i64, &device).float().reshape([1, 1, 1, width]);
    let rows = Tensor::<1, Int>::arange(0..height as i64, &device).float().reshape([1, 1, height, 1]);
    let (inside_x, share_x, x) = axis(0, width, columns);
    let (inside_y, share_y, y) = axis(1, height, rows);
    let flat = pictures.reshape([count, channels, height * width]);
    let corner = |row: &Tensor<4, Int>, column: &Tensor<4, Int>| {
        let indices = (row.clone() * width as i64 + column.clone()).reshape([count, 1, height * width]);
        let pixels = flat.clone().gather(2, indices.expand([count, channels, height * width]));
        pixels.reshape([count, channels, height, width])
    };
    let blend = |near: Tensor<4>, far: Tensor<4>, share: &Tensor<4>| near.clone() + (far - near) * share.clone();
    let upper = blend(corner(&y[0], &x[0]), corner(&y[0], &x[1]), &share_x);
    let lower = blend(corner(&y[1], &x[0]), corner(&y[1], &x[1]), &share_x);
    (blend(upper, lower, &share_y), inside_x * inside_y)
}
