//! Building blocks of encoder and decoder.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use vipra_nn::ops;

/// Added to the variance of a group (reference 8).
const EPSILON: f64 = 1e-6;
/// Side of the kernels, in pixels.
const KERNEL: usize = 3;

/// Group norm followed by SiLU.
#[derive(Module, Debug)]
pub struct ActivatedNorm {
    /// `[channels]`, starts at one.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`, starts at zero.
    pub bias: Param<Tensor<1>>,
    /// Groups of channels.
    pub groups: usize,
}

impl ActivatedNorm {
    pub(super) fn new(channels: usize, groups: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            groups,
        }
    }

    /// Normalises, then activates.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]` → the same
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::group_norm_silu(x, self.weight.val(), self.bias.val(), self.groups, EPSILON)
    }
}

/// Two convolutions, each after a norm, with a residual connection: the identity, or a 1×1 convolution if the number of
/// channels changes.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// Before the first convolution.
    pub first_norm: ActivatedNorm,
    /// From the input's channels to the output's.
    pub first: Conv2d,
    /// Before the second convolution.
    pub second_norm: ActivatedNorm,
    /// Keeps the output's channels; starts at zero.
    pub second: Conv2d,
    /// The residual connection, if the number of channels changes.
    pub shortcut: Option<Conv2d>,
}

impl ResidualBlock {
    pub(super) fn new(input: usize, output: usize, groups: usize, device: &Device) -> Self {
        // The branch adds nothing at first, so that a deep stack starts as a shallow one.
        let silent = convolution(output, output).with_initializer(Initializer::Zeros);
        Self {
            first_norm: ActivatedNorm::new(input, groups, device),
            first: convolution(input, output).init(device),
            second_norm: ActivatedNorm::new(output, groups, device),
            second: silent.init(device),
            shortcut: (input != output).then(|| pointwise(input, output, device)),
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// `[batch, input, height, width]` → `[batch, output, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = ops::conv2d(&self.first, self.first_norm.forward(x.clone()));
        let inner = ops::conv2d(&self.second, self.second_norm.forward(inner));
        let beside = match &self.shortcut {
            Some(shortcut) => ops::conv2d(shortcut, x),
            None => x,
        };
        beside + inner
    }
}

/// A 3×3 convolution that keeps height and width.
pub(super) fn convolution(input: usize, output: usize) -> Conv2dConfig {
    Conv2dConfig::new([input, output], [KERNEL, KERNEL])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_initializer(kaiming())
}

/// A 3×3 convolution that halves height and width, padded by one row and column of zeros at bottom and right (reference 8).
pub(super) fn halving(channels: usize) -> Conv2dConfig {
    Conv2dConfig::new([channels, channels], [KERNEL, KERNEL])
        .with_stride([2, 2])
        .with_padding(PaddingConfig2d::Explicit(0, 0, 1, 1))
        .with_initializer(kaiming())
}

/// A 1×1 convolution.
pub(super) fn pointwise(input: usize, output: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([input, output], [1, 1]).with_initializer(kaiming()).init(device)
}

/// Preserves the variance of the activations; the framework's default shrinks it at each layer.
fn kaiming() -> Initializer {
    Initializer::KaimingNormal { gain: 1.0, fan_out_only: false }
}

/// A sequence of residual blocks from `input` to `output` channels; the first one changes their number.
pub(super) fn blocks(count: usize, input: usize, output: usize, groups: usize, device: &Device) -> Vec<ResidualBlock> {
    (0..count).map(|at| ResidualBlock::new(if at == 0 { input } else { output }, output, groups, device)).collect()
}

/// Applies blocks in order.
pub(super) fn through(blocks: &[ResidualBlock], x: Tensor<4>) -> Tensor<4> {
    blocks.iter().fold(x, |x, block| block.forward(x))
}
