//! Numbers as tokens and back: actions of a chunk, states of the robot (reference 6.1).

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use vipra_nn::ops;

use super::init::NewParameters;

/// Longest period of the time embedding, relative to the shortest.
const LONGEST_PERIOD: f32 = 10_000.0;

/// Sines, then cosines of each time, at frequencies from 1 down to 1/10 000.
///
/// # Shapes
/// `times`: `[rows]`, from 0 (noise) to 1 (data) → `[rows, width]`
pub fn time_embedding(times: &[f32], width: usize, device: &Device) -> Tensor<2> {
    let half = width / 2;
    let step = LONGEST_PERIOD.ln() / (half as f32 - 1.0).max(1.0);
    let frequencies: Vec<f32> = (0..half).map(|index| (-step * index as f32).exp()).collect();
    let angles = |time: f32| frequencies.iter().map(move |frequency| time * frequency);
    let values = times.iter().flat_map(|time| {
        let sines = angles(*time).map(f32::sin);
        sines.chain(angles(*time).map(f32::cos)).chain(std::iter::repeat_n(0.0, width - 2 * half)).collect::<Vec<_>>()
    });
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [times.len(), width]), device)
}

/// Embeds a noisy action together with its time: `linear → [time; action] → linear → silu → linear`.
#[derive(Module, Debug)]
pub struct ActionEncoder {
    /// `action_dim → dim/2`
    pub linear_1: Linear,
    /// `dim → dim`
    pub linear_2: Linear,
    /// `dim → dim`
    pub linear_3: Linear,
}

impl ActionEncoder {
    fn new(action_dim: usize, dim: usize, new: &NewParameters, device: &Device) -> Self {
        Self {
            linear_1: new.linear(action_dim, dim / 2, device),
            linear_2: new.linear(dim / 2 * 2, dim, device),
            linear_3: new.linear(dim, dim, device),
        }
    }

    /// # Shapes
    /// `actions`: `[rows, horizon, action_dim]`; `times`: `[rows]` → `[rows, horizon, dim]`
    pub fn forward(&self, actions: Tensor<3>, times: &[f32]) -> Tensor<3> {
        let [rows, horizon, _] = actions.dims();
        let actions = ops::linear(&self.linear_1, actions);
        let half = actions.dims()[2];
        let time = time_embedding(times, half, &actions.device());
        let time = time.reshape([rows, 1, half]).expand([rows, horizon, half]);
        let x = silu(ops::linear(&self.linear_2, Tensor::cat(vec![time, actions], 2)));
        ops::linear(&self.linear_3, x)
    }
}

/// Embeds a state of the robot: `linear → linear → silu → linear`.
#[derive(Module, Debug)]
pub struct ProprioEncoder {
    /// `state_dim → dim/2`
    pub linear_1: Linear,
    /// `dim/2 → dim/2`
    pub linear_2: Linear,
    /// `dim/2 → dim`
    pub linear_3: Linear,
}

impl ProprioEncoder {
    /// For states of `state_dim` numbers; `dim` is the width of the model.
    pub fn new(state_dim: usize, dim: usize, new: &NewParameters, device: &Device) -> Self {
        Self {
            linear_1: new.linear(state_dim, dim / 2, device),
            linear_2: new.linear(dim / 2, dim / 2, device),
            linear_3: new.linear(dim / 2, dim, device),
        }
    }

    /// # Shapes
    /// `[rows, states, state_dim]` → `[rows, states, dim]`
    pub fn forward(&self, states: Tensor<3>) -> Tensor<3> {
        let x = ops::linear(&self.linear_2, ops::linear(&self.linear_1, states));
        ops::linear(&self.linear_3, silu(x))
    }
}

/// Continuous actions: noisy actions are read, velocities are predicted.
#[derive(Module, Debug)]
pub struct FlowActions {
    /// Embeds noisy actions.
    pub encoder: ActionEncoder,
    /// `dim → action_dim`, with a bias.
    pub velocity_head: Linear,
}

impl FlowActions {
    /// For actions of `action_dim` numbers; `dim` is the width of the model.
    pub fn new(action_dim: usize, dim: usize, new: &NewParameters, device: &Device) -> Self {
        let encoder = ActionEncoder::new(action_dim, dim, new, device);
        Self { encoder, velocity_head: new.linear(dim, action_dim, device) }
    }

    /// # Shapes
    /// `hidden`: `[.., dim]` at the tokens of the actions → `[.., action_dim]`
    pub fn velocity<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        ops::linear(&self.velocity_head, hidden)
    }
}

/// Binned actions: a token for each dimension of each action.
#[derive(Module, Debug)]
pub struct BinActions {
    /// `[bins, dim]`
    pub embedding: Param<Tensor<2>>,
    /// `dim → bins`, without a bias.
    pub head: Linear,
}

impl BinActions {
    /// For so many bins; `dim` is the width of the model.
    pub fn new(bins: usize, dim: usize, new: &NewParameters, device: &Device) -> Self {
        let spread = Initializer::Normal { mean: 0.0, std: new.matrix_gain / (dim as f64).sqrt() };
        Self {
            embedding: Param::from_tensor(new.matrix([bins, dim], bins, device)),
            head: LinearConfig::new(dim, bins).with_bias(false).with_initializer(spread).init(device),
        }
    }

    /// # Shapes
    /// `[tokens]` → `[tokens, dim]`
    pub fn embed(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        self.embedding.val().select(0, ids)
    }

    /// # Shapes
    /// `hidden`: `[.., dim]` → `[.., bins]`
    pub fn logits<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        ops::linear(&self.head, hidden)
    }
}
