//! Learned perceptual image patch similarity (LPIPS 0.1 on VGG16; reference 4).

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vgg::{BLOCKS, LPIPS_NAMES, TORCHVISION_NAMES, TORCHVISION_UNUSED, Vgg};
use crate::ops;
use crate::weights::{Names, Rename, Weights, load};
use crate::{Error, Result};

/// Smallest side of a picture, in pixels: the last block sees nothing of a smaller one.
const MIN_SIDE: usize = 1 << (BLOCKS - 1);

/// Shift and scale with which pictures in [−1, 1] are normalised, per channel (reference 4).
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

const HEAD_NAMES: &[Rename] = &[Rename::list(
    "Heads",
    "heads",
    "",
    &["lin0.model.1", "lin1.model.1", "lin2.model.1", "lin3.model.1", "lin4.model.1"],
)];

/// Constants and second copies of the heads in the files of the package lpips.
const LPIPS_UNUSED: &[&str] = &["scaling_layer", "lins"];

/// Size of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LpipsConfig {
    /// Channels of the five blocks of convolutions (64, 128, 256, 512, 512 in VGG16).
    pub widths: [usize; BLOCKS],
}

impl Default for LpipsConfig {
    /// VGG16.
    fn default() -> Self {
        Self { widths: [64, 128, 256, 512, 512] }
    }
}

impl LpipsConfig {
    /// Loads the network: the convolutions from a file of torchvision or of the package lpips, the linear heads from a file
    /// of the package lpips; the two may be the same file. Nothing of it is trained, and there is no dropout: that the
    /// reference applies dropout to its heads in training is an oversight of its loop (reference 0.9).
    ///
    /// `prefix` is what all names begin with, dot included; usually nothing.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) with all names that do not fit.
    pub fn load(&self, convolutions: &Weights, heads: &Weights, prefix: &str, device: &Device) -> Result<Lpips> {
        let names = Names::default().prefix(prefix);
        let is_torchvision = convolutions.shape(&format!("{prefix}features.0.weight")).is_some();
        let names_of_convolutions = if is_torchvision {
            names.clone().rename(TORCHVISION_NAMES).ignore(TORCHVISION_UNUSED)
        } else {
            Names::default().prefix(format!("{prefix}net.")).rename(LPIPS_NAMES)
        };
        let vgg = load(Vgg::new(self.widths, device).no_grad(), convolutions, &names_of_convolutions)?;
        let blank = Heads { heads: self.widths.map(|width| Head::new(width, device)).to_vec() };
        let names_of_heads = names.rename(HEAD_NAMES).ignore(LPIPS_UNUSED).ignore(&["net", "features", "classifier"]);
        let heads = load(blank.no_grad(), heads, &names_of_heads)?.heads;
        Ok(Lpips { vgg, heads })
    }
}

/// Weighted distance of two pictures in the features of a network.
#[derive(Module, Debug)]
pub struct Lpips {
    /// The features.
    pub vgg: Vgg,
    /// Weights of the channels of each block.
    pub heads: Vec<Head>,
}

/// Weights of a block's channels: a 1×1 convolution to one channel, without bias.
#[derive(Module, Debug)]
pub struct Head {
    /// `[1, channels, 1, 1]`
    pub weight: Param<Tensor<4>>,
}

#[derive(Module, Debug)]
struct Heads {
    heads: Vec<Head>,
}

impl Head {
    fn new(channels: usize, device: &Device) -> Self {
        Self { weight: Param::from_tensor(Tensor::ones([1, channels, 1, 1], device)) }
    }
}

impl Lpips {
    /// Distance of each picture from its target, block by block. Gradients reach `pictures` only.
    ///
    /// # Shapes
    /// `pictures`, `targets`: `[pictures, 3, height, width]` in [0, 1], sides of at least 16 pixels → `[pictures, 5]`,
    /// whose sum along the last axis is the distance.
    pub fn per_block(&self, pictures: Tensor<4>, targets: Tensor<4>) -> Tensor<2> {
        let seen = self.features(pictures);
        let wanted = self.features(targets.without_autodiff());
        let distances = seen.into_iter().zip(wanted).zip(&self.heads).map(|((seen, wanted), head)| {
            let difference = (ops::unit_channels(seen) - ops::unit_channels(wanted.detach())).square();
            let [pictures, _, height, width] = difference.dims();
            let weighted = (difference * head.weight.val()).sum_dim(1);
            weighted.reshape([pictures, height * width]).mean_dim(1)
        });
        Tensor::cat(distances.collect(), 1)
    }

    /// Mean distance over the frames that count; zero if none does. Frames that do not count are not computed.
    ///
    /// # Shapes
    /// `frames`, `targets`: `[batch, time, 3, height, width]` in [0, 1], `mask`: `[batch, time]`, true for frames that
    /// count; without a mask all do → `[1]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for frames with a [`size_fault`](Self::size_fault).
    pub fn loss(&self, frames: Tensor<5>, targets: Tensor<5>, mask: Option<Tensor<2, Bool>>) -> Result<Tensor<1>> {
        let [batch, time, channels, height, width] = frames.dims();
        if let Some(fault) = Self::size_fault([height, width]) {
            return Err(Error::Invalid(fault));
        }
        let flatten = |frames: Tensor<5>| frames.reshape([batch * time, channels, height, width]);
        let (frames, targets) = (flatten(frames), flatten(targets));
        let Some(mask) = mask else { return Ok(self.mean(frames, targets)) };
        let counted: Tensor<1, burn::tensor::Int> = mask.reshape([batch * time]).argwhere().squeeze_dim(1);
        if counted.dims()[0] == 0 {
            return Ok(Tensor::zeros([1], &frames.device()));
        }
        Ok(self.mean(frames.select(0, counted.clone()), targets.select(0, counted)))
    }

    /// What keeps frames of this height and width, in pixels, from being compared: sides of less than 16 pixels.
    pub fn size_fault([height, width]: [usize; 2]) -> Option<String> {
        (height.min(width) < MIN_SIDE).then(|| {
            format!("the perceptual loss needs frames of at least {MIN_SIDE}×{MIN_SIDE} pixels, not {height}×{width}")
        })
    }

    fn mean(&self, frames: Tensor<4>, targets: Tensor<4>) -> Tensor<1> {
        let count = frames.dims()[0];
        self.per_block(frames, targets).sum() / count as f64
    }

    /// Features of each block.
    ///
    /// # Shapes
    /// `[pictures, 3, height, width]` in [0, 1] → as [`Vgg::forward`].
    pub fn features(&self, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        self.vgg.forward(Self::normalize(pictures))
    }

    /// Pictures in [0, 1] as the network takes them.
    pub(super) fn normalize(pictures: Tensor<4>) -> Tensor<4> {
        let device = pictures.device().without_autodiff();
        let channel = |values: [f32; 3]| Tensor::<1>::from_data(values, &device).reshape([1, 3, 1, 1]);
        (pictures * 2.0 - 1.0 - channel(SHIFT)) / channel(SCALE)
    }
}
