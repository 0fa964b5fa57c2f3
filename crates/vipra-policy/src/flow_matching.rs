//! Flow matching: the probability path from noise to actions, the velocities that are learned along it, and the ODE solver
//! that integrates them (reference 6.4).
//!
//! Time runs from 0 (noise) to 1 (data), as in the release and against the paper's letter.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The probability path, and where on it velocities are learned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowMatchingConfig {
    /// Noise that is left at the end of the flow.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub sigma_min: f64,
    /// Distribution of the times that are learned from.
    pub times: TimeDistribution,
    /// Noise samples of each chunk in a step, which share one pass over the observation (published: 1).
    #[schemars(range(min = 1))]
    pub noises: usize,
}

impl Default for FlowMatchingConfig {
    fn default() -> Self {
        Self { sigma_min: 0.001, times: TimeDistribution::Beta, noises: 1 }
    }
}

/// Distribution of the times that are learned from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeDistribution {
    /// Near the noise more often: `t = (1 - sigma_min)·(1 - s)`, `s` of Beta(1.5, 1).
    #[default]
    Beta,
    /// Spread evenly over a batch, from a common offset.
    Uniform,
}

impl FlowMatchingConfig {
    /// Samples a time for each noise of each row, row by row.
    pub(crate) fn sample_times(&self, rows: usize, random: &mut impl Rng) -> Vec<f32> {
        let all = rows * self.noises;
        match self.times {
            TimeDistribution::Beta => (0..all).map(|_| self.beta_time(random.random())).collect(),
            TimeDistribution::Uniform => {
                let offset: f64 = random.random();
                // The noises of a row are as far from each other as they can be.
                let places = (0..rows).flat_map(|row| (0..self.noises).map(move |nth| nth * rows + row));
                places.map(|place| ((offset + place as f64 / all as f64) % (1.0 - 1e-5)) as f32).collect()
            }
        }
    }

    /// The share of Beta(1.5, 1) below `s` is `s^1.5`.
    fn beta_time(&self, share: f64) -> f32 {
        ((1.0 - self.sigma_min) * (1.0 - share.powf(1.0 / 1.5))) as f32
    }

    /// Points of the path from noise to actions at a time of each row, and the velocities there, which are learned.
    ///
    /// # Shapes
    /// `noise`, `actions`: `[rows, horizon, action]`; `times`: `[rows]` → points and velocities, `[rows, horizon, action]` each
    pub fn interpolate(&self, noise: Tensor<3>, actions: Tensor<3>, times: &[f32]) -> (Tensor<3>, Tensor<3>) {
        let keep = 1.0 - self.sigma_min;
        let time: Tensor<3> =
            Tensor::from_data(TensorData::new(times.to_vec(), [times.len(), 1, 1]), &actions.device());
        let noise_share = time.clone() * -keep + 1.0;
        let points = noise.clone() * noise_share + actions.clone() * time;
        (points, actions - noise * keep)
    }
}

/// Mean squared error of velocities, over the dimensions of an action and then over all actions that count.
///
/// # Shapes
/// `velocity`, `target`: `[rows, horizon, action]`; `counts`: `[rows·horizon]`, 1 or 0 → `[1]`
pub fn flow_loss(velocity: Tensor<3>, target: Tensor<3>, counts: &[f32]) -> Tensor<1> {
    let [rows, horizon, _] = velocity.dims();
    let total: f32 = counts.iter().sum();
    let shares: Vec<f32> = counts.iter().map(|count| count / total.max(1e-5)).collect();
    let shares = Tensor::<3>::from_data(TensorData::new(shares, [rows, horizon, 1]), &target.device());
    ((velocity - target).square().mean_dim(2) * shares).sum()
}

/// The ODE solver that takes noise to actions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SolverConfig {
    /// Integration method.
    pub method: SolverMethod,
    /// Steps from time 0 to time 1.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Standard deviation of the initial noise. Below 1 samples are more alike each time.
    #[schemars(range(min = 0.0))]
    pub noise_spread: f64,
}

impl Default for SolverConfig {
    /// The published server's.
    fn default() -> Self {
        Self { method: SolverMethod::Euler, steps: 10, noise_spread: 1.0 }
    }
}

/// Integration method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SolverMethod {
    /// First order: one velocity evaluation a step.
    #[default]
    Euler,
    /// Second order: the mean of the velocities at the current point and at the end of Euler's step, two evaluations a step.
    Heun,
}

impl SolverConfig {
    /// Integrates velocities from noise, at time 0, to actions, at time 1. `velocity` is evaluated at a point and at a time that
    /// all rows share.
    ///
    /// # Shapes
    /// `noise`, points and velocities: `[rows, horizon, action]` → the same
    ///
    /// # Errors
    /// [`Error::Invalid`] without steps; what `velocity` says.
    pub(crate) fn integrate(
        &self,
        noise: Tensor<3>,
        mut velocity: impl FnMut(Tensor<3>, f32) -> Result<Tensor<3>>,
    ) -> Result<Tensor<3>> {
        if self.steps == 0 {
            return Err(Error::Invalid("an ODE is not solved in 0 steps".to_owned()));
        }
        let step = 1.0 / self.steps as f64;
        (0..self.steps).try_fold(noise, |point, index| {
            let time = index as f64 * step;
            let here = velocity(point.clone(), time as f32)?;
            let ahead = point.clone() + here.clone() * step;
            Ok(match self.method {
                SolverMethod::Euler => ahead,
                SolverMethod::Heun => point + (here + velocity(ahead, (time + step) as f32)?) * (step / 2.0),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn numbers(values: &[f32]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len(), 1]), &Device::flex())
    }

    #[test]
    fn times_are_skewed_to_the_noise() {
        let config = FlowMatchingConfig::default();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut times = config.sample_times(40_000, &mut random);
        times.sort_by(f32::total_cmp);
        // Quartiles of the reference's sampler (reference 6.4).
        for (share, expected) in [(0.25, 0.174), (0.5, 0.369), (0.75, 0.602)] {
            let found = times[(share * 40_000.0) as usize];
            assert!((found - expected).abs() < 0.01, "{share}: {found}, not {expected}");
        }
        assert!(times[39_999] < 0.9991);
    }

    #[test]
    fn uniform_times_fill_the_range() {
        let config = FlowMatchingConfig { times: TimeDistribution::Uniform, ..FlowMatchingConfig::default() };
        let mut times = config.sample_times(100, &mut ChaCha8Rng::seed_from_u64(1));
        times.sort_by(f32::total_cmp);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] < 0.0101));
        assert!(times[0] < 0.0101 && times[99] > 0.989);
    }

    #[test]
    fn uniform_times_of_a_row_lie_far_apart() {
        let config =
            FlowMatchingConfig { times: TimeDistribution::Uniform, noises: 4, ..FlowMatchingConfig::default() };
        let times = config.sample_times(8, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(times.len(), 32);
        for of_row in times.chunks(4) {
            let mut of_row = of_row.to_vec();
            of_row.sort_by(f32::total_cmp);
            assert!(of_row.windows(2).all(|pair| pair[1] - pair[0] > 0.24), "{of_row:?}");
        }
    }

    proptest! {
        /// The velocity of a straight path leads to the actions, by either method.
        #[test]
        fn the_true_velocity_leads_to_the_actions(
            noise in prop::collection::vec(-3.0_f32..3.0, 4),
            actions in prop::collection::vec(-3.0_f32..3.0, 4),
            steps in 1..12_usize,
        ) {
            let flow = FlowMatchingConfig { sigma_min: 0.0, ..FlowMatchingConfig::default() };
            let (_, target) = flow.interpolate(numbers(&noise), numbers(&actions), &[0.3]);
            for method in [SolverMethod::Euler, SolverMethod::Heun] {
                let solver = SolverConfig { method, steps, ..SolverConfig::default() };
                let found = solver.integrate(numbers(&noise), |_, _| Ok(target.clone())).unwrap();
                let found: Vec<f32> = found.into_data().iter::<f32>().collect();
                for (found, expected) in found.iter().zip(&actions) {
                    prop_assert!((found - expected).abs() < 1e-4, "{found} against {expected}");
                }
            }
        }
    }

    #[test]
    fn heun_is_exact_where_the_velocity_grows_evenly() {
        // dx/dt = 2t leads from 0 to 1.
        let end_by = |method| {
            let solver = SolverConfig { method, steps: 4, ..SolverConfig::default() };
            let end = solver.integrate(numbers(&[0.0]), |point, time| Ok(point * 0.0 + f64::from(2.0 * time))).unwrap();
            end.into_data().iter::<f32>().next().unwrap()
        };
        assert!((end_by(SolverMethod::Heun) - 1.0).abs() < 1e-6);
        assert!((end_by(SolverMethod::Euler) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn what_does_not_count_is_not_in_the_loss() {
        let (velocity, target) = (numbers(&[1.0, 5.0]), numbers(&[0.0, 0.0]));
        let loss = flow_loss(velocity.clone(), target.clone(), &[1.0, 0.0]);
        assert!((loss.into_scalar::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(flow_loss(velocity, target, &[0.0, 0.0]).into_scalar::<f32>(), 0.0);
    }
}
