//! Position generator (PEG): positions from a depthwise convolution over the neighbourhood.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::ops::{self, TimePadding};

/// Frames, rows and columns of the kernel.
const KERNEL: usize = 3;

/// A depthwise 3×3×3 convolution over time and space (reference 2).
#[derive(Module, Debug)]
pub struct PositionGenerator {
    /// The kernel.
    pub dsconv: DepthwiseConv3d,
    /// Whether a frame sees only the frames up to itself.
    pub causal: bool,
}

/// Parameters of a depthwise 3-D convolution.
#[derive(Module, Debug)]
pub struct DepthwiseConv3d {
    /// `[dim, 1, 3, 3, 3]`
    pub weight: Param<Tensor<5>>,
    /// `[dim]`
    pub bias: Param<Tensor<1>>,
}

impl PositionGenerator {
    /// A generator for tokens of width `dim`.
    pub fn new(dim: usize, causal: bool, device: &Device) -> Self {
        // Nothing is added at first. Random kernels would tell the ends of a clip from its middle far louder than frames
        // differ from each other, and the first codes would say where in the clip a transition stands, not what happens.
        let dsconv = DepthwiseConv3d {
            weight: Initializer::Zeros.init([dim, 1, KERNEL, KERNEL, KERNEL], device),
            bias: Initializer::Zeros.init([dim], device),
        };
        Self { dsconv, causal }
    }

    /// Each token plus its position. Tokens behind the grid's stay as they are.
    ///
    /// # Shapes
    /// `x`: `[batch, time, tokens, dim]` with at least `height·width` tokens → the same.
    pub fn add_to(&self, x: Tensor<4>, grid: [usize; 2]) -> Tensor<4> {
        ops::add_neighbours(x, self.dsconv.weight.val(), self.dsconv.bias.val(), grid, self.padding())
    }

    /// The positions alone.
    ///
    /// # Shapes
    /// `x`: `[batch, time, height·width, dim]` → the same.
    pub fn forward(&self, x: Tensor<4>, grid: [usize; 2]) -> Tensor<4> {
        let [batch, time, patches, dim] = x.dims();
        let [height, width] = grid;
        // -> [batch, time, dim, height, width]
        let planes = x.swap_dims(2, 3).reshape([batch, time, dim, height, width]);
        ops::conv3d_by_time(planes, self.dsconv.weight.val(), self.dsconv.bias.val(), self.padding(), 1, dim)
            .reshape([batch, time, dim, patches])
            .swap_dims(2, 3)
    }
    fn padding(&self) -> TimePadding {
        if self.causal { TimePadding::CAUSAL } else { TimePadding::CENTERED }
    }
}
