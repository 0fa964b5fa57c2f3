//! The down-sampler: from the patch grid to the few codes of a transition.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use vipra_nn::ops::{self, TimePadding};

use crate::{Error, Result};

/// Size of the kernels along time, height and width.
const KERNEL: usize = 3;
/// The reference's sampler has at least two convolutions, even if it halves the grid less often (reference 3.4).
const MIN_CONVOLUTIONS: usize = 2;

/// 3-D convolutions with leaky ReLUs between them; the first ones halve height and width (reference 3.4).
///
/// Along time they mix neighbouring transitions, in both directions.
#[derive(Module, Debug)]
pub struct DownSampler {
    /// In order.
    pub convolutions: Vec<Convolution>,
    /// Rows and columns of codes.
    #[module(skip)]
    pub code_grid: [usize; 2],
}

/// One 3×3×3 convolution.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[dim, dim, 3, 3, 3]`
    pub weight: Param<Tensor<5>>,
    /// `[dim]`
    pub bias: Param<Tensor<1>>,
    /// Stride along height and width; 1 along time.
    pub stride: usize,
}

impl DownSampler {
    /// A sampler from a grid of patches to `code_length` codes.
    ///
    /// # Errors
    /// [`Error::CodeLength`] if halving the grid never gives that many.
    pub fn new(grid: [usize; 2], code_length: usize, dim: usize, device: &Device) -> Result<Self> {
        let (strides, code_grid) = Self::strides(grid, code_length)?;
        // Kaiming initialisation: PyTorch's default shrinks the signal at each layer, and with it the differences between
        // transitions.
        let bound = (6.0 / (dim * KERNEL * KERNEL * KERNEL) as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        let convolutions = strides
            .into_iter()
            .map(|stride| Convolution {
                weight: uniform.init([dim, dim, KERNEL, KERNEL, KERNEL], device),
                bias: Initializer::Zeros.init([dim], device),
                stride,
            })
            .collect();
        Ok(Self { convolutions, code_grid })
    }

    /// Strides of the convolutions and the resulting grid of codes. On 16×16 patches: three halvings for 4 codes, two for 16,
    /// a halving and a plain convolution for 64, two plain ones for 256 (reference 3.4).
    ///
    /// # Errors
    /// [`Error::CodeLength`] with the lengths that fit.
    pub fn strides(grid: [usize; 2], code_length: usize) -> Result<(Vec<usize>, [usize; 2])> {
        let halvings: Vec<[usize; 2]> = std::iter::successors(Some(grid), |grid| {
            // A padded convolution of stride 2 rounds up, so a side of 1 stays and odd sides are no obstacle.
            (*grid != [1, 1]).then(|| grid.map(|side| side.div_ceil(2)))
        })
        .collect();
        match halvings.iter().position(|[rows, columns]| rows * columns == code_length) {
            Some(count) => {
                let mut strides = vec![2; count];
                strides.resize(count.max(MIN_CONVOLUTIONS), 1);
                Ok((strides, halvings[count]))
            }
            None => {
                let fitting = halvings.iter().map(|[rows, columns]| rows * columns).collect();
                Err(Error::CodeLength { code_length, grid, fitting })
            }
        }
    }

    /// # Shapes
    /// `[batch, transitions, patches, dim]` → `[batch, transitions, code_length, dim]`, codes in row-major order.
    pub fn forward(&self, x: Tensor<4>, grid: [usize; 2]) -> Tensor<4> {
        let [batch, transitions, _, dim] = x.dims();
        let [rows, columns] = grid;
        // -> [batch, transitions, dim, rows, columns]
        let mut x = x.swap_dims(2, 3).reshape([batch, transitions, dim, rows, columns]);
        for (index, layer) in self.convolutions.iter().enumerate() {
            if index > 0 {
                x = ops::leaky_relu(x);
            }
            x = ops::conv3d_by_time(x, layer.weight.val(), layer.bias.val(), TimePadding::CENTERED, layer.stride, 1);
        }
        let codes = self.code_grid[0] * self.code_grid[1];
        x.reshape([batch, transitions, dim, codes]).swap_dims(2, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::DownSampler;

    #[test]
    fn the_references_grid_has_the_references_strides() {
        let strides = |code_length| DownSampler::strides([16, 16], code_length).unwrap();
        assert_eq!(strides(4), (vec![2, 2, 2], [2, 2]));
        assert_eq!(strides(16), (vec![2, 2], [4, 4]));
        assert_eq!(strides(64), (vec![2, 1], [8, 8]));
        assert_eq!(strides(256), (vec![1, 1], [16, 16]));
    }

    #[test]
    fn other_grids_fit_where_halving_leads_to_the_length() {
        assert_eq!(DownSampler::strides([8, 8], 4).unwrap(), (vec![2, 2], [2, 2]));
        assert_eq!(DownSampler::strides([7, 14], 28).unwrap(), (vec![2, 1], [4, 7]));
        let message = DownSampler::strides([12, 12], 16).unwrap_err().to_string();
        assert_eq!(
            message,
            "`code_length` is 16, but a grid of 12×12 patches can be brought down to [144, 36, 9, 4, 1] codes"
        );
    }
}
