//! Weights of models for tests, the same in every run.

use burn::module::{ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Standard deviation of what [`Shake`] adds to weights.
const SHAKE: f32 = 0.3;

/// Replaces random weights by draws of its own, because all tests of a process share the framework's generator, and adds noise to
/// all weights: fresh layers add nothing to what they read, so that neither a cache nor a condition would make a difference.
pub(crate) struct Shake {
    random: ChaCha8Rng,
}

impl Shake {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Shaken values in place of the initial ones, which are all the same if they were not drawn.
    fn shaken(&mut self, initial: &[f32], shape: &[usize]) -> Vec<f32> {
        let first = initial.first().copied().unwrap_or_default();
        let is_constant = initial.iter().all(|value| *value == first);
        let (center, spread) = if is_constant { (first, SHAKE) } else { (0.0, initial_spread(shape).hypot(SHAKE)) };
        draws(&mut self.random, initial.len()).into_iter().map(|value| center + spread * value).collect()
    }
}

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| {
            let (dims, shape, device) = (values.dims(), values.shape(), values.device());
            let requires_gradient = values.is_require_grad();
            let initial: Vec<f32> = values.into_data().iter::<f32>().collect();
            let shaken = self.shaken(&initial, &dims);
            Tensor::from_data(TensorData::new(shaken, shape), &device).set_require_grad(requires_gradient)
        })
    }
}

/// About the standard deviation of the initialisers, one over the root of the number of inputs: of matrices, `[inputs, outputs]`,
/// and of convolutions, `[outputs, inputs, ..]`. Drawn biases are small.
fn initial_spread(shape: &[usize]) -> f32 {
    match shape {
        [inputs, _] => 1.0 / (*inputs as f32).sqrt(),
        [_, inputs @ ..] if inputs.len() > 1 => 1.0 / (inputs.iter().product::<usize>() as f32).sqrt(),
        _ => 0.0,
    }
}

/// Numbers of a normal distribution that are the same in every run.
pub(crate) fn normal<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let values = draws(&mut ChaCha8Rng::seed_from_u64(seed), shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape.to_vec()), &Device::flex())
}

fn draws(random: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| random.sample::<f32, _>(StandardNormal)).collect()
}
