//! Pictures to patches and back.

use burn::tensor::Tensor;

use super::linear::product;

/// Cuts pictures into square patches and projects each: a convolution whose stride is its kernel, as one product.
///
/// # Shapes
/// `pictures`: `[batch, channels, height, width]`, `weight`: `[dim, channels, patch, patch]`, `bias`: `[dim]` →
/// `[batch, height/patch · width/patch, dim]`, patches in row-major order.
pub(crate) fn embed_patches(pictures: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<3> {
    let [batch, channels, height, width] = pictures.dims();
    let [dim, _, patch, _] = weight.dims();
    let (rows, columns) = (height / patch, width / patch);
    let patches = pictures
        .reshape([batch, channels, rows, patch, columns, patch])
        // -> [batch, rows, columns, channels, patch, patch]
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch, rows * columns, channels * patch * patch]);
    let weight = weight.reshape([dim, channels * patch * patch]).transpose();
    product(patches, weight, Some(bias))
}

/// Puts pixels of patches back into pictures.
///
/// # Shapes
/// `patches`: `[batch, rows·columns, channels·patch·patch]`, channel-major in the last axis (reference 3.5) →
/// `[batch, channels, rows·patch, columns·patch]`
pub fn join_patches(patches: Tensor<3>, channels: usize, grid: [usize; 2], patch: usize) -> Tensor<4> {
    let [batch, _, _] = patches.dims();
    let [rows, columns] = grid;
    patches
        .reshape([batch, rows, columns, channels, patch, patch])
        // -> [batch, channels, rows, patch, columns, patch]
        .permute([0, 3, 1, 4, 2, 5])
        .reshape([batch, channels, rows * patch, columns * patch])
}
