//! The decoder, a mirror image of the encoder: from a grid of vectors to a frame.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, module};
use vipra_nn::ops;

use super::block::{ActivatedNorm, ResidualBlock, blocks, convolution, through};
use super::config::VqganConfig;
use super::encoder::MIDDLE_BLOCKS;

/// Colour channels of a frame.
const CHANNELS: usize = 3;

/// Convolutional decoder that doubles height and width between levels.
#[derive(Module, Debug)]
pub struct Decoder {
    /// From the latent channels.
    pub input: Conv2d,
    /// At the smallest size.
    pub middle: Vec<ResidualBlock>,
    /// From the smallest size to the largest, in the reference's order.
    pub levels: Vec<DecoderLevel>,
    /// Before the last convolution.
    pub norm: ActivatedNorm,
    /// To colour channels.
    pub output: Conv2d,
}

/// Blocks at one size.
#[derive(Module, Debug)]
pub struct DecoderLevel {
    /// In order.
    pub blocks: Vec<ResidualBlock>,
    /// Convolution after the doubling to the next level, if there is one.
    pub upsample: Option<Conv2d>,
}

impl Decoder {
    pub(super) fn new(config: &VqganConfig, device: &Device) -> Self {
        let mut widths = config.widths();
        widths.reverse();
        let last = widths.len() - 1;
        let level = |(at, width): (usize, &usize)| DecoderLevel {
            blocks: blocks(config.blocks + 1, widths[at.saturating_sub(1)], *width, config.groups, device),
            upsample: (at < last).then(|| convolution(*width, *width).init(device)),
        };
        Self {
            input: convolution(config.latent_dim, widths[0]).init(device),
            middle: blocks(MIDDLE_BLOCKS, widths[0], widths[0], config.groups, device),
            levels: widths.iter().enumerate().map(level).collect(),
            norm: ActivatedNorm::new(widths[last], config.groups, device),
            output: convolution(widths[last], CHANNELS).init(device),
        }
    }

    /// Decodes grids of latent vectors.
    ///
    /// # Shapes
    /// `[frames, latent_dim, rows, columns]` → `[frames, 3, height, width]`, roughly in [−1, 1]
    pub fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        let x = through(&self.middle, ops::conv2d(&self.input, latents));
        let x = self.levels.iter().fold(x, |x, level| {
            let x = through(&level.blocks, x);
            match &level.upsample {
                Some(upsample) => ops::conv2d(upsample, double(x)),
                None => x,
            }
        });
        ops::conv2d(&self.output, self.norm.forward(x))
    }
}

/// Doubles height and width by repeating each value.
fn double(x: Tensor<4>) -> Tensor<4> {
    module::interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_scale_factor([2.0, 2.0]))
}
