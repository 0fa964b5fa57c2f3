//! Held-out numbers: how well frames are rebuilt, and how many codes are used.

use burn::tensor::Tensor;
use vipra_nn::codebook::CodeUsage;
use vipra_train::Scalars;

use super::codebook::usage_scalars;
use super::rare_colors::RareColors;
use crate::{Result, Vqgan};

/// Mean squared error up to which two pictures count as the same.
const SAME: f64 = 1e-12;

/// Sums over frames and their reconstructions from tokens.
#[derive(Debug, Clone)]
pub struct Evaluation {
    usage: CodeUsage,
    frames: usize,
    absolute: f64,
    squared: f64,
    /// Sums of each value of a frame over all frames, from which the mean picture follows.
    sums: Vec<f64>,
    /// Sum of the squares of all values.
    squares: f64,
    rare_colors: RareColors,
}

impl Evaluation {
    /// An evaluation of no frames yet.
    pub fn new(codes: usize) -> Self {
        Self {
            usage: CodeUsage::new(codes),
            frames: 0,
            absolute: 0.0,
            squared: 0.0,
            sums: Vec::new(),
            squares: 0.0,
            rare_colors: RareColors::new(),
        }
    }

    /// Adds frames, and returns their reconstructions.
    ///
    /// # Shapes
    /// `frames`: `[frames, 3, height, width]` in [0, 1] → the same
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for frames of another size than the model's.
    pub fn add(&mut self, model: &Vqgan, frames: Tensor<4>) -> Result<Tensor<4>> {
        model.check_frames(&frames)?;
        let [count, channels, height, width] = frames.dims();
        let tokens = model.encode(frames.clone());
        self.usage.add(&tokens.clone().into_data().iter::<i64>().collect::<Vec<_>>());
        let rebuilt = model.decode(tokens);
        let size = channels * height * width;
        self.sums.resize(size, 0.0);
        let [true_values, rebuilt_values] =
            [frames, rebuilt.clone()].map(|frames| frames.into_data().iter::<f32>().collect::<Vec<_>>());
        for (at, (value, rebuilt)) in true_values.iter().zip(&rebuilt_values).enumerate() {
            let (value, error) = (f64::from(*value), f64::from(rebuilt - value));
            self.absolute += error.abs();
            self.squared += error * error;
            self.sums[at % size] += value;
            self.squares += value * value;
        }
        let pixels = height * width;
        for (color, rebuilt) in true_values.chunks(size).zip(rebuilt_values.chunks(size)) {
            let at = |values: &[f32], pixel: usize| [0, 1, 2].map(|channel| values[channel * pixels + pixel]);
            (0..pixels).for_each(|pixel| self.rare_colors.add(at(color, pixel), at(rebuilt, pixel)));
        }
        self.frames += count;
        Ok(rebuilt)
    }

    /// Number of frames so far.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The numbers, by name. The signal-to-noise ratio is that of the mean squared error over all frames, which is below the
    /// mean of the frames' ratios. That of the mean picture is left out if all frames are the same, as a single one is.
    pub fn scalars(&self) -> Scalars {
        let values = (self.frames * self.sums.len()) as f64;
        let of_means: f64 = self.sums.iter().map(|sum| sum * sum).sum::<f64>() / self.frames as f64;
        let mut scalars = vec![
            ("psnr".to_owned(), psnr(self.squared / values)),
            ("l1".to_owned(), self.absolute / values),
            ("frames".to_owned(), self.frames as f64),
        ];
        let spread = (self.squares - of_means) / values;
        if spread > SAME {
            scalars.insert(1, ("psnr_mean_picture".to_owned(), psnr(spread)));
        }
        scalars.extend(self.rare_colors.squared_error().map(|error| ("psnr_rare_colors".to_owned(), psnr(error))));
        scalars.extend(usage_scalars(&self.usage));
        scalars
    }
}

/// Peak signal-to-noise ratio of a mean squared error in [0, 1], in decibels.
fn psnr(squared_error: f64) -> f64 {
    -10.0 * squared_error.max(f64::MIN_POSITIVE).log10()
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Device, Distribution, Tensor};

    use super::{Evaluation, psnr};
    use crate::VqganConfig;

    #[test]
    fn numbers_are_those_of_the_frames() {
        assert!((psnr(0.01) - 20.0).abs() < 1e-9);
        let device = Device::flex();
        let config = VqganConfig {
            frame_size: [8, 8],
            width: 4,
            multipliers: vec![1, 1],
            blocks: 1,
            groups: 2,
            latent_dim: 3,
            codes: 6,
            code_dim: 3,
        };
        let model = config.init(&device).unwrap().valid();
        let frames = Tensor::<4>::random([5, 3, 8, 8], Distribution::Uniform(0.0, 1.0), &device);
        let mut evaluation = Evaluation::new(6);
        let parts = [frames.clone().narrow(0, 0, 2), frames.clone().narrow(0, 2, 3)];
        let rebuilt = parts.map(|part| evaluation.add(&model, part).unwrap());
        let rebuilt = Tensor::cat(rebuilt.to_vec(), 0);
        let scalars = evaluation.scalars();
        let of = |name: &str| scalars.iter().find(|(known, _)| known == name).unwrap().1;
        let mean = |x: Tensor<4>| f64::from(x.mean().into_scalar::<f32>());
        let error = rebuilt - frames.clone();
        assert!((of("l1") - mean(error.clone().abs())).abs() < 1e-5);
        assert!((of("psnr") - psnr(mean(error.square()))).abs() < 1e-3);
        let spread = frames.clone() - frames.clone().mean_dim(0);
        assert!((of("psnr_mean_picture") - psnr(mean(spread.square()))).abs() < 1e-3);
        assert_eq!(of("frames"), 5.0);
        assert!(evaluation.add(&model, Tensor::zeros([1, 3, 8, 4], &device)).is_err());

        let mut of_one = Evaluation::new(6);
        of_one.add(&model, frames.narrow(0, 0, 1)).unwrap();
        let names: Vec<String> = of_one.scalars().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"psnr".to_owned()) && !names.contains(&"psnr_mean_picture".to_owned()), "{names:?}");
    }
}
