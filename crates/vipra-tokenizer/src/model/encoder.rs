//! The encoder: from a frame to a grid of vectors.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use vipra_nn::ops;

use super::block::{ActivatedNorm, ResidualBlock, blocks, convolution, halving, through};
use super::config::VqganConfig;

/// Colour channels of a frame.
const CHANNELS: usize = 3;
/// Residual blocks at the smallest size (reference 8).
pub(super) const MIDDLE_BLOCKS: usize = 2;

/// Convolutional encoder that halves height and width between levels.
#[derive(Module, Debug)]
pub struct Encoder {
    /// From colour channels.
    pub input: Conv2d,
    /// From the largest size to the smallest.
    pub levels: Vec<EncoderLevel>,
    /// At the smallest size.
    pub middle: Vec<ResidualBlock>,
    /// Before the last convolution.
    pub norm: ActivatedNorm,
    /// To the latent channels.
    pub output: Conv2d,
}

/// Blocks at one size.
#[derive(Module, Debug)]
pub struct EncoderLevel {
    /// In order.
    pub blocks: Vec<ResidualBlock>,
    /// Halves height and width for the next level, if there is one.
    pub downsample: Option<Conv2d>,
}

impl Encoder {
    pub(super) fn new(config: &VqganConfig, device: &Device) -> Self {
        let widths = config.widths();
        let last = widths.len() - 1;
        let level = |(at, width): (usize, &usize)| EncoderLevel {
            blocks: blocks(
                config.blocks,
                if at == 0 { config.width } else { widths[at - 1] },
                *width,
                config.groups,
                device,
            ),
            downsample: (at < last).then(|| halving(*width).init(device)),
        };
        Self {
            input: convolution(CHANNELS, config.width).init(device),
            levels: widths.iter().enumerate().map(level).collect(),
            middle: blocks(MIDDLE_BLOCKS, widths[last], widths[last], config.groups, device),
            norm: ActivatedNorm::new(widths[last], config.groups, device),
            output: convolution(widths[last], config.latent_dim).init(device),
        }
    }

    /// Encodes frames.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` in [−1, 1] → `[frames, latent_dim, rows, columns]`
    pub fn forward(&self, frames: Tensor<4>) -> Tensor<4> {
        let x = self.levels.iter().fold(ops::conv2d(&self.input, frames), |x, level| {
            let x = through(&level.blocks, x);
            match &level.downsample {
                Some(downsample) => ops::conv2d(downsample, x),
                None => x,
            }
        });
        ops::conv2d(&self.output, self.norm.forward(through(&self.middle, x)))
    }
}
