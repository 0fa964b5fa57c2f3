//! Standardisation of the encoder's outputs before they are quantised.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// Lower bound of the standard deviation that is divided by.
const MIN_STD: f32 = 1e-4;

/// Subtracts a running mean of the outputs at each place, and divides by their common running standard deviation. Both are
/// updated from the outputs, without gradients.
///
/// A place is a transition of a clip and a position in it. Means say nothing of what happens in a clip, and an encoder whose
/// outputs can shrink or differ by place alone gets rid of the quantiser's noise that way.
#[derive(Module, Debug)]
pub struct OutputStandardization {
    /// `[transitions, code_length, code_dim]`
    pub mean: Param<Tensor<3>>,
    /// Mean square after subtraction of the mean, `[1]`.
    pub square: Param<Tensor<1>>,
}

impl OutputStandardization {
    /// Nothing is known of the outputs yet.
    pub fn new(shape: [usize; 3], device: &Device) -> Self {
        Self {
            mean: Param::from_tensor(Tensor::zeros(shape, device)).set_require_grad(false),
            square: Param::from_tensor(Tensor::ones([1], device)).set_require_grad(false),
        }
    }

    /// # Shapes
    /// `[batch, transitions, code_length, code_dim]` → the same. Of clips of another length, the first and the last
    /// transitions are at the places of a training clip's first and last, those in between at its middle.
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

    /// Moved by a share of the way to mean and mean square of the outputs of a batch of training clips.
    ///
    /// # Shapes
    /// `vectors`: after [`apply`](Self::apply), `[batch·transitions·code_length, code_dim]`.
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
            mean: unlearned(self.mean, |mean| {
                let old = mean.reshape([count]);
                let new = old.clone() + off.reshape([count]);
                change(old, new).reshape([transitions, code_length, dim])
            }),
            square: unlearned(self.square, |old| change(old, square)),
        }
    }
}

/// A parameter changed without gradients; it keeps its id.
fn unlearned<const D: usize>(parameter: Param<Tensor<D>>, by: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Param<Tensor<D>> {
    parameter.map(|value| {
        let is_autodiff = value.is_autodiff();
        let changed = by(value.without_autodiff());
        let changed = if is_autodiff { changed.autodiff() } else { changed };
        changed.set_require_grad(false)
    })
}

/// The place in a training clip of `known` transitions that is most like the place `at` in one of `transitions`.
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
    use burn::tensor::{Device, Distribution, Tensor};

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
    fn outputs_come_to_mean_zero_and_standard_deviation_one() {
        let device = Device::flex();
        let shape = [3, 2, 4];
        let mut standard = OutputStandardization::new(shape, &device);
        let offsets = Tensor::<3>::random(shape, Distribution::Normal(5.0, 2.0), &device).unsqueeze::<4>();
        let outputs = || Tensor::random([64, 3, 2, 4], Distribution::Normal(0.0, 0.1), &device) + offsets.clone();
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
