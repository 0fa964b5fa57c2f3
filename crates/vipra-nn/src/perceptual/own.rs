//! A perceptual network of the run's own, for runs without weights of VGG16.
//!
//! A narrower version of LPIPS's network learns to rebuild the run's frames from each of its blocks; the deeper the block, the
//! larger the patch that each of its vectors describes. It is then frozen, and frames are compared as in LPIPS, but with equal
//! weights for all channels, scaled so that unrelated frames are at distance 1.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::lpips::{Head, Lpips};
use super::vgg::{BLOCKS, Vgg};
use crate::ops;

const CHANNELS: usize = 3;
/// Distance of two unrelated frames of the run, to which every network is scaled. Without that, distances depend on the seed,
/// and differed by a factor of three.
const UNRELATED_DISTANCE: f64 = 1.0;

/// The network with the layers through which it is trained.
#[derive(Module, Debug)]
pub struct OwnFeatures {
    /// The network itself, which is kept.
    pub vgg: Vgg,
    /// For each block, from one of its vectors to the patch of pixels that the vector describes.
    pub to_patches: Vec<Linear>,
}

impl OwnFeatures {
    /// A network whose blocks have these widths.
    pub fn new(widths: [usize; BLOCKS], device: &Device) -> Self {
        let to_patch = |(block, width): (usize, &usize)| {
            LinearConfig::new(*width, CHANNELS * patch_side(block).pow(2)).init(device)
        };
        Self { vgg: Vgg::new(widths, device), to_patches: widths.iter().enumerate().map(to_patch).collect() }
    }

    /// Mean absolute error of the pictures rebuilt from each block. Rows and columns at the bottom and right that do not fill
    /// a patch do not count.
    ///
    /// # Shapes
    /// `pictures`: `[pictures, 3, height, width]` in [0, 1], sides of at least 16 pixels → `[1]`
    pub fn rebuilding_loss(&self, pictures: Tensor<4>) -> Tensor<1> {
        let taps = self.vgg.forward(Lpips::normalize(pictures.clone()));
        let errors = taps.into_iter().zip(&self.to_patches).enumerate().map(|(block, (tap, to_patches))| {
            let [count, width, rows, columns] = tap.dims();
            // [pictures, width, rows, columns] -> [pictures, rows·columns, width]
            let vectors = tap.reshape([count, width, rows * columns]).swap_dims(1, 2);
            let side = patch_side(block);
            let rebuilt = ops::join_patches(to_patches.forward(vectors), CHANNELS, [rows, columns], side);
            let target = pictures.clone().narrow(2, 0, rows * side).narrow(3, 0, columns * side);
            (rebuilt - target).abs().mean()
        });
        Tensor::cat(errors.collect(), 0).mean()
    }

    /// The frozen network as a perceptual loss, scaled by unrelated pictures.
    ///
    /// # Shapes
    /// `pictures`: `[pictures, 3, height, width]` in [0, 1], at least two.
    pub fn into_lpips(self, pictures: Tensor<4>) -> Lpips {
        let device = pictures.device().without_autodiff();
        let head = |width: usize, weight: f64| Head {
            weight: Param::from_tensor(Tensor::full([1, width, 1, 1], weight, &device)),
        };
        let widths = self.vgg.widths();
        let unscaled = Lpips { heads: widths.map(|width| head(width, 1.0)).to_vec(), vgg: self.vgg }.no_grad();
        let count = pictures.dims()[0];
        let others = Tensor::cat(vec![pictures.clone().narrow(0, 1, count - 1), pictures.clone().narrow(0, 0, 1)], 0);
        let distance = unscaled.per_block(pictures, others).sum_dim(1).mean().into_scalar::<f32>();
        // Identical pictures say nothing about the scale.
        let weight = if distance > 0.0 { UNRELATED_DISTANCE / f64::from(distance) } else { 1.0 };
        Lpips { heads: widths.map(|width| head(width, weight)).to_vec(), vgg: unscaled.vgg }.no_grad()
    }
}

/// Side of the patch that a vector of a block describes, in pixels.
fn patch_side(block: usize) -> usize {
    1 << block
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Device, Distribution, Tensor};

    use super::OwnFeatures;
    use crate::ops::tests::framework_generator;

    #[test]
    fn gradients_reach_the_pictures_and_nothing_else() {
        let _alone = framework_generator();
        let device = Device::flex().autodiff();
        device.seed(1);
        let own = OwnFeatures::new([16; 5], &device);
        let frames = Tensor::<5>::random([1, 2, 3, 40, 24], Distribution::Uniform(0.0, 1.0), &device).require_grad();
        let flat: Tensor<4> = frames.clone().detach().squeeze_dim(0);
        assert!(own.rebuilding_loss(flat.clone()).into_scalar::<f32>() > 0.0);
        let lpips = own.into_lpips(flat.clone());
        let swapped = flat.clone().flip([0]);
        let distance = lpips.loss(flat.unsqueeze_dim(0), swapped.unsqueeze_dim(0), None).unwrap();
        assert!((distance.into_scalar::<f32>() - 1.0).abs() < 1e-4, "two unrelated pictures are at distance 1");
        let same = lpips.loss(frames.clone(), frames.clone().detach(), None).unwrap();
        assert_eq!(same.into_scalar::<f32>(), 0.0);
        let other = Tensor::<5>::random([1, 2, 3, 40, 24], Distribution::Uniform(0.0, 1.0), &device);
        let loss = lpips.loss(frames.clone(), other, None).unwrap();
        let gradients = loss.backward();
        let gradient = frames.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>();
        assert!(gradient > 0.0, "{gradient}");
        assert!(lpips.vgg.convolutions[0].weight.val().grad(&gradients).is_none());
        assert_eq!(lpips.num_params(), lpips.clone().valid().num_params());
    }
}
