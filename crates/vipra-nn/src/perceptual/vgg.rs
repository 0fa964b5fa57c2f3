//! The convolutional part of VGG16.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, activation, module};

use crate::ops;
use crate::weights::Rename;

/// Number of blocks, between which pictures are halved, and convolutions of each.
pub(super) const BLOCKS: usize = 5;
const CONVOLUTIONS: [usize; BLOCKS] = [2, 2, 3, 3, 3];

/// Names of the convolutions in the files of the package lpips.
pub const LPIPS_NAMES: &[Rename] = &[Rename::list(
    "Vgg",
    "convolutions",
    "",
    &[
        "slice1.0",
        "slice1.2",
        "slice2.5",
        "slice2.7",
        "slice3.10",
        "slice3.12",
        "slice3.14",
        "slice4.17",
        "slice4.19",
        "slice4.21",
        "slice5.24",
        "slice5.26",
        "slice5.28",
    ],
)];

/// Names of the convolutions in torchvision's VGG16.
pub(super) const TORCHVISION_NAMES: &[Rename] = &[Rename::list(
    "Vgg",
    "convolutions",
    "features",
    &["0", "2", "5", "7", "10", "12", "14", "17", "19", "21", "24", "26", "28"],
)];

/// torchvision's classifier, which LPIPS does not use.
pub(super) const TORCHVISION_UNUSED: &[&str] = &["classifier"];

/// Thirteen convolutions in five blocks, each followed by a ReLU, with 2×2 max pooling between the blocks.
#[derive(Module, Debug)]
pub struct Vgg {
    /// In order.
    pub convolutions: Vec<Conv2d>,
}

impl Vgg {
    /// A network whose blocks have these widths (64, 128, 256, 512, 512 in VGG16).
    pub fn new(widths: [usize; BLOCKS], device: &Device) -> Self {
        let mut convolutions = Vec::with_capacity(CONVOLUTIONS.iter().sum());
        let mut input = 3;
        for (width, count) in widths.into_iter().zip(CONVOLUTIONS) {
            for _ in 0..count {
                let config = Conv2dConfig::new([input, width], [3, 3]);
                convolutions.push(config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device));
                input = width;
            }
        }
        Self { convolutions }
    }

    /// Channels of the blocks.
    pub(super) fn widths(&self) -> [usize; BLOCKS] {
        let mut last = 0;
        CONVOLUTIONS.map(|count| {
            last += count;
            // [out, in, 3, 3]
            self.convolutions[last - 1].weight.dims()[0]
        })
    }

    /// Outputs of the last ReLU of each block: relu1_2, relu2_2, relu3_3, relu4_3, relu5_3.
    ///
    /// # Shapes
    /// `[pictures, 3, height, width]` → five of `[pictures, width_of_block, height/2^block, width/2^block]`
    pub fn forward(&self, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        let mut convolutions = self.convolutions.iter();
        let mut taps: Vec<Tensor<4>> = Vec::with_capacity(BLOCKS);
        for count in CONVOLUTIONS {
            let input = match taps.last() {
                None => pictures.clone(),
                Some(previous) => halve(previous.clone()),
            };
            let block = convolutions.by_ref().take(count);
            taps.push(block.fold(input, |x, convolution| activation::relu(ops::conv2d(convolution, x))));
        }
        taps
    }
}

fn halve(x: Tensor<4>) -> Tensor<4> {
    module::max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
}
