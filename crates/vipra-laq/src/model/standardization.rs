//! Standardisation of the encoder's outputs before they are quantised.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use vipra_nn::parameter::map_detached;

/// Lower bound of the standard deviation, by which outputs are divided.
const MIN_STD: f32 = 1e-4;

/// Subtracts the running mean of the outputs at each place, and divides by the running standard deviation of all of them.
/// Both are updated from the outputs, without gradients.
///
/// A place is a transition of a clip and a position within it. An encoder could otherwise evade the quantiser's noise with
/// outputs that shrink, or that depend on the place alone and so carry nothing about what happens in a clip.
#[derive(Module, Debug)]
pub struct OutputStandardization {
    /// `[transitions, code_length, code_dim]`
    pub mean: Param<Tensor<3>>,
    /// Mean square after subtraction of the mean, `[1]`.
    pub square: Param<Tensor<1>>,
}

impl OutputStandardization {
    /// Mean 0 and standard deviation 1.
    pub fn new(shape: [usize; 3], device: &Device) -> Self {
        Self {
            mean: Param::from_tensor(Tensor::zeros(shape, device)).set_require_grad(false),
            square: Param::from_tensor(Tensor::ones([1], device)).set_require_grad(false),
        }
    }

    /// Standardises outputs. In clips of another length than the training's, transitions near an end have the places of those
    /// near that end of a training clip, and all others the place in the middle.
    ///
    /// # Shapes
    /// `[batch, transitions, code_length, code_dim]` → the same
    pub fn apply(&self, vectors: Tensor<4>) -> Tensor<4> {
        let [_, transitions, ..] = vectors.dims();
        let known = self.mean.dims()[0];
        let mean = self.mean.val();
        let mean = match transitions == known {
            true => mean,
            false => {
                let places = (0..transitions).map(|at| mean.clone().narrow(0, place(at, transitions, known), 1));
                Tensor::cat(places.collect(), 0)
            }
        };
        let deviation = self.square.val().sqrt().clamp_min(MIN_STD);
        (vectors - mean.unsqueeze::<4>()) / deviation.unsqueeze::<4>()
    }

    /// With mean and mean square moved towards those of a batch of training clips by `share`, in [0, 1].
    ///
    /// # Shapes
    /// `vectors`: outputs of [`apply`](Self::apply), `[batch·transitions·code_length, code_dim]`.
    pub(super) fn updated(self, vectors: Tensor<2>, share: f64) -> Self {
        let [transitions, code_length, dim] = self.mean.dims();
        let clips = vectors.dims()[0] / (transitions * code_length);
        let vectors = vectors.without_autodiff();
        let deviation = self.square.val().without_autodiff().sqrt().clamp_min(MIN_STD);
        let vectors = vectors * deviation.unsqueeze::<2>();
        let off = vectors.clone().reshape([clips, transitions, code_length, dim]).mean_dim(0).squeeze_dim::<3>(0);
        let square = vectors.square().mean();
        let change = |old: Tensor<1>, new: Tensor<1>| old.clone() + (new - old) * share;
        let count = transitions * code_length * dim;
        Self {
            mean: map_detached(self.mean, |mean| {
                let old = mean.reshape([count]);
                let new = old.clone() + off.reshape([count]);
                change(old, new).reshape([transitions, code_length, dim])
            }),
            square: map_detached(self.square, |old| change(old, square)),
        }
    }
}

/// The transition of a training clip of `known` transitions that corresponds to transition `at` of a clip of `transitions`.
fn place(at: usize, transitions: usize, known: usize) -> usize {
    let (middle, from_end) = (known / 2, transitions - 1 - at);
    if at < middle && at <= from_end {
        at
    } else if from_end < known - 1 - middle {
        known - 1 - from_end
    } else {
        middle
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{OutputStandardization, place};

    #[test]
    fn places_meet_at_the_ends() {
        let places = |transitions| (0..transitions).map(|at| place(at, transitions, 7)).collect::<Vec<_>>();
        assert_eq!(places(7), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(places(15), [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5, 6]);
        assert_eq!(places(2), [0, 6]);
        assert_eq!(places(1), [0]);
    }

    #[test]
    fn an_update_leaves_what_it_changes_without_gradients() {
        let device = Device::flex().autodiff();
        let standard = OutputStandardization::new([1, 1, 2], &device);
        let updated = standard.updated(Tensor::from_data([[3.0, 5.0]], &device), 0.5);
        let (mean, square) = (updated.mean.val(), updated.square.val());
        assert!(mean.is_autodiff() && square.is_autodiff());
        assert!(!mean.is_require_grad() && !square.is_require_grad());
        assert_eq!(mean.into_data().iter::<f32>().collect::<Vec<_>>(), [1.5, 2.5]);
    }

    #[test]
    fn outputs_come_to_mean_zero_and_standard_deviation_one() {
        let device = Device::flex();
        let shape = [3, 2, 4];
        let mut standard = OutputStandardization::new(shape, &device);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut around_zero = |count: usize| -> Vec<f32> { (0..count).map(|_| random.random::<f32>() - 0.5).collect() };
        let offsets = Tensor::<4>::from_data(TensorData::new(around_zero(24), [1, 3, 2, 4]), &device) * 4.0 + 5.0;
        let mut outputs = || {
            let noise = TensorData::new(around_zero(64 * 24), [64, 3, 2, 4]);
            Tensor::<4>::from_data(noise, &device) * 0.3 + offsets.clone()
        };
        for _ in 0..200 {
            let vectors = standard.apply(outputs());
            standard = standard.updated(vectors.reshape([64 * 6, 4]), 0.2);
        }
        let vectors = standard.apply(outputs()).reshape([64, 24]);
        let means: Vec<f32> = vectors.clone().mean_dim(0).into_data().iter::<f32>().collect();
        assert!(means.iter().all(|mean| mean.abs() < 0.5), "{means:?}");
        let square = vectors.square().mean().into_scalar::<f32>();
        assert!((square - 1.0).abs() < 0.2, "{square}");
    }
}
