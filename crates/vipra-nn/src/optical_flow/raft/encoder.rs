//! Features of a single picture.

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ops;

/// Added to a variance before its root, in both kinds of norm.
const EPSILON: f64 = 1e-5;

/// A convolution padded to keep its input's size, up to the stride.
pub(super) fn convolution(channels: [usize; 2], kernel: [usize; 2], stride: usize, device: &Device) -> Conv2d {
    let [rows, columns] = kernel.map(|side| side / 2);
    Conv2dConfig::new(channels, kernel)
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(rows, columns, rows, columns))
        .init(device)
}

/// Size and make of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Channels, from the stem to the features.
    pub widths: [usize; 5],
    /// What it is built of.
    pub block: BlockKind,
    /// Behind each convolution.
    pub norm: NormKind,
}

/// Kinds of residual blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Two 3×3 convolutions.
    Plain,
    /// One 3×3 convolution at a quarter of the width, between two of 1×1.
    Bottleneck,
}

/// Kinds of norm behind a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// None.
    None,
    /// Each channel of each picture by its own mean and variance; no parameters.
    Instance,
    /// Each channel by statistics of the training set.
    Batch,
}

/// Batch norm by stored statistics, which never change: a network that measures must not learn from what it measures
/// (the reference's does, by an oversight of its training loop; reference 0.9).
#[derive(Module, Debug)]
pub struct FrozenBatchNorm {
    /// `[channels]`
    pub weight: Param<Tensor<1>>,
    /// `[channels]`
    pub bias: Param<Tensor<1>>,
    /// `[channels]`
    pub running_mean: Param<Tensor<1>>,
    /// `[channels]`
    pub running_var: Param<Tensor<1>>,
}

impl FrozenBatchNorm {
    fn new(channels: usize, device: &Device) -> Self {
        let zeros = || Param::from_tensor(Tensor::zeros([channels], device));
        let ones = || Param::from_tensor(Tensor::ones([channels], device));
        Self { weight: ones(), bias: zeros(), running_mean: zeros(), running_var: ones() }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let channels = x.dims()[1];
        let gain = self.weight.val() / (self.running_var.val() + EPSILON).sqrt();
        let offset = self.bias.val() - self.running_mean.val() * gain.clone();
        x * gain.reshape([1, channels, 1, 1]) + offset.reshape([1, channels, 1, 1])
    }
}

/// A convolution and its norm.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// With bias.
    pub convolution: Conv2d,
    /// Statistics, where the norm is of that kind.
    pub norm: Option<FrozenBatchNorm>,
    /// The kind.
    #[module(skip)]
    pub kind: NormKind,
}

impl ConvNorm {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, kind: NormKind, device: &Device) -> Self {
        Self {
            convolution: convolution(channels, [kernel, kernel], stride, device),
            norm: (kind == NormKind::Batch).then(|| FrozenBatchNorm::new(channels[1], device)),
            kind,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.convolution.forward(x);
        match (&self.norm, self.kind) {
            (Some(norm), _) => norm.forward(x),
            (None, NormKind::Instance) => {
                // Over the pixels of each channel of each picture.
                let [pictures, channels, height, width] = x.dims();
                let flat = x.reshape([pictures, channels, height * width]);
                ops::layer_norm(flat, None, None, EPSILON).reshape([pictures, channels, height, width])
            }
            (None, _) => x,
        }
    }
}

/// Convolutions and a shortcut; halves its input if its stride is 2.
#[derive(Module, Debug)]
pub struct ResidualBlock {
    /// One after another; the first of 3×3 takes the stride.
    pub layers: Vec<ConvNorm>,
    /// Where the size changes.
    pub shortcut: Option<ConvNorm>,
}

impl ResidualBlock {
    fn new(channels: [usize; 2], stride: usize, config: &EncoderConfig, device: &Device) -> Self {
        let layer = |input, output, kernel, stride| ConvNorm::new([input, output], kernel, stride, config.norm, device);
        let [input, output] = channels;
        let layers = match config.block {
            BlockKind::Plain => vec![layer(input, output, 3, stride), layer(output, output, 3, 1)],
            BlockKind::Bottleneck => {
                let inner = output / 4;
                vec![layer(input, inner, 1, 1), layer(inner, inner, 3, stride), layer(inner, output, 1, 1)]
            }
        };
        Self { layers, shortcut: (stride != 1).then(|| layer(input, output, 1, stride)) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = self.layers.iter().fold(x.clone(), |x, layer| activation::relu(layer.forward(x)));
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        activation::relu(x + inner)
    }
}

/// Features at an eighth of the resolution.
#[derive(Module, Debug)]
pub struct Encoder {
    /// 7×7, halves.
    pub stem: ConvNorm,
    /// Three pairs; the second and the third pair halve.
    pub blocks: Vec<ResidualBlock>,
    /// 1×1
    pub head: Conv2d,
}

impl Encoder {
    pub(super) fn new(config: &EncoderConfig, device: &Device) -> Self {
        let [stem, first, second, third, output] = config.widths;
        let block = |input, output, stride| ResidualBlock::new([input, output], stride, config, device);
        Self {
            stem: ConvNorm::new([3, stem], 7, 2, config.norm, device),
            blocks: vec![
                block(stem, first, 1),
                block(first, first, 1),
                block(first, second, 2),
                block(second, second, 1),
                block(second, third, 2),
                block(third, third, 1),
            ],
            head: convolution([third, output], [1, 1], 1, device),
        }
    }

    /// # Shapes
    /// `[pictures, 3, height, width]` in [−1, 1] → `[pictures, channels, height/8, width/8]`
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let x = activation::relu(self.stem.forward(pictures));
        self.head.forward(self.blocks.iter().fold(x, |x, block| block.forward(x)))
    }
}
