//! The losses of a run, with the network they need.

use burn::tensor::{Device, Tensor};
use vipra_nn::perceptual::Lpips;
use vipra_train::Losses;

use super::config::LossConfig;
use crate::{Reconstruction, Result};

/// What is minimised, ready to compute.
pub struct LossSet {
    config: LossConfig,
    /// None where its weight is 0. Frozen.
    perceptual: Option<Lpips>,
}

impl LossSet {
    /// Loads the network that the configuration names; `own` makes it where none is named.
    ///
    /// # Errors
    /// What is wrong with a weights file, or with making the network.
    pub fn load(config: &LossConfig, own: impl FnOnce() -> Result<Lpips>, device: &Device) -> Result<Self> {
        let perceptual = if config.perceptual_weight == 0.0 {
            None
        } else {
            Some(config.perceptual.load(device)?.map_or_else(own, Ok)?)
        };
        Ok(Self { config: config.clone(), perceptual })
    }

    /// The losses of rebuilt frames against the true ones.
    ///
    /// # Shapes
    /// `frames`: `[frames, 3, height, width]` in [0, 1]
    ///
    /// # Errors
    /// What the network refuses.
    pub fn losses(&self, rebuilt: Reconstruction, frames: Tensor<4>) -> Result<Losses> {
        let reconstruction = (rebuilt.frames.clone() - frames.clone()).abs().mean();
        let mut total = reconstruction.clone();
        let mut parts = vec![("l1", reconstruction)];
        if let Some(chosen) = rebuilt.chosen {
            if self.config.steadiness_weight > 0.0 {
                let changes = changes_of_still(&rebuilt.vectors, &frames);
                total = total + changes.clone() * self.config.steadiness_weight;
                parts.push(("steadiness", changes));
            }
            let commitment = (rebuilt.vectors - chosen.coded).square().mean();
            total = total + commitment.clone() * self.config.commitment_weight;
            parts.push(("commitment", commitment));
        }
        if let Some(network) = &self.perceptual {
            let as_clips = |frames: Tensor<4>| frames.unsqueeze_dim::<5>(1);
            let perceptual = network.loss(as_clips(rebuilt.frames), as_clips(frames), None)?;
            total = total + perceptual.clone() * self.config.perceptual_weight;
            parts.push(("perceptual", perceptual));
        }
        Ok(Losses { total, parts })
    }
}

/// A part of a frame is still if its pixels change by less than this on average, in [0, 1]; codecs change them by a hundredth.
const STILL_BELOW: f32 = 0.02;

/// How far vectors of still parts of a frame lie from those of the frame's neighbour, over how far vectors lie from their
/// mean: that it is nothing must not be had by making all of them small.
///
/// # Shapes
/// `vectors`: `[frames · tokens, code_dim]`, `frames`: `[frames, 3, height, width]`, in pairs → `[1]`
fn changes_of_still(vectors: &Tensor<2>, frames: &Tensor<4>) -> Tensor<1> {
    let ([rows, dim], [count, channels, height, width]) = (vectors.dims(), frames.dims());
    let pairs = count / 2;
    let tokens = rows / count;
    // Parts are square: as many tokens stand side by side as pixels over the edge of a part.
    let edge = ((height * width / tokens) as f64).sqrt().round() as usize;
    let (down, across) = (height / edge, width / edge);
    let frames = frames.clone().reshape([pairs, 2, channels * height * width]);
    let change = (frames.clone().narrow(1, 0, 1) - frames.narrow(1, 1, 1)).abs();
    // [pairs, channels, down, edge, across, edge] -> [pairs · tokens]
    let change = change.reshape([pairs * channels * down, edge, across, edge]).mean_dim(3).mean_dim(1);
    let change = change.reshape([pairs, channels, tokens]).mean_dim(1).reshape([pairs * tokens, 1]);
    let is_still = change.lower_elem(STILL_BELOW).float();
    let paired = vectors.clone().reshape([pairs, 2, tokens, dim]);
    let apart = (paired.clone().narrow(1, 0, 1) - paired.narrow(1, 1, 1)).square().reshape([pairs * tokens, dim]);
    let spread = (vectors.clone() - vectors.clone().mean_dim(0)).square().mean().detach();
    let still = is_still.clone().sum().clamp_min(1.0) * dim as f32;
    (apart * is_still).sum() / still / spread.clamp_min(1e-8)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tensor};

    use super::changes_of_still;

    fn number(tensor: Tensor<1>) -> f32 {
        tensor.into_scalar::<f32>()
    }

    #[test]
    fn only_still_parts_count_and_scale_does_not() {
        let device = Device::flex();
        // Two pairs of 4x6 pixels, 2x3 tokens of 2x2 pixels.
        let earlier = Tensor::<4>::random([2, 1, 3, 24], Distribution::Uniform(0.0, 0.4), &device);
        let later = earlier.clone() + 0.001;
        let as_frames = |later: Tensor<4>| Tensor::cat(vec![earlier.clone(), later], 1).reshape([4, 3, 4, 6]);
        let vectors = Tensor::<2>::random([4 * 6, 5], Distribution::Normal(0.0, 1.0), &device);
        let all = number(changes_of_still(&vectors, &as_frames(later.clone())));
        // Independent vectors lie twice their variance apart.
        assert!((1.5..2.6).contains(&all), "{all}");
        let larger = number(changes_of_still(&(vectors.clone() * 7.0 + 3.0), &as_frames(later.clone())));
        assert!((all - larger).abs() < 1e-4, "{all} {larger}");

        // The same vectors at both times: no change.
        let once = Tensor::<4>::random([2, 1, 6, 5], Distribution::Normal(0.0, 1.0), &device);
        let twice = once.clone().repeat_dim(1, 2);
        let same = twice.clone().reshape([24, 5]);
        assert_eq!(number(changes_of_still(&same, &as_frames(later.clone()))), 0.0);

        // One token's vector changes: it counts where its pixels stay, and not where they change.
        let moved = twice.slice_fill([0..1, 1..2, 4..5, 0..5], 9.0).reshape([24, 5]);
        assert!(number(changes_of_still(&moved, &as_frames(later.clone()))) > 0.1);
        // Token 4 is in the second row of tokens, second column: pixel rows 2 and 3, columns 2 and 3.
        let seen =
            later.reshape([2, 1, 3, 4, 6]).slice_fill([0..1, 0..1, 0..3, 2..4, 2..4], 1.0).reshape([2, 1, 3, 24]);
        assert_eq!(number(changes_of_still(&moved, &as_frames(seen))), 0.0);
        // Nothing is still: nothing is asked.
        let jumped = earlier.clone() + 0.5;
        assert_eq!(number(changes_of_still(&vectors, &as_frames(jumped))), 0.0);
    }
}
