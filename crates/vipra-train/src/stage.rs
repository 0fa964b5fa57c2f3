//! What the loop asks of a stage.

use burn::module::Module;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

/// Whatever a stage's own crate calls an error.
pub type StageError = Box<dyn std::error::Error + Send + Sync>;

/// Named numbers, in the order in which they are shown.
pub type Scalars = Vec<(String, f64)>;

/// Numbers by name, for a file.
pub fn as_json(scalars: &Scalars) -> Map<String, Value> {
    scalars.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect()
}

/// A stage of the pipeline: what is trained, on what, and for what.
pub trait Stage {
    /// What is trained.
    type Model: Module;
    /// What one forward pass sees.
    type Batch;

    /// The next batch, in an order that [`state`](Self::state) resumes.
    ///
    /// # Errors
    /// Whatever is wrong with the data.
    fn next_batch(&mut self) -> Result<Self::Batch, StageError>;

    /// The loss of a batch.
    ///
    /// # Errors
    /// Whatever keeps the model from seeing the batch.
    fn loss(&mut self, model: &Self::Model, batch: Self::Batch, step: &mut Step) -> Result<Losses, StageError>;

    /// Called after the optimiser, for what is learned by other means than gradients; not after a step that was skipped.
    ///
    /// # Errors
    /// Whatever the stage finds wrong.
    fn after_step(&mut self, model: Self::Model, _step: &mut Step) -> Result<Self::Model, StageError> {
        Ok(model)
    }

    /// Called in place of [`after_step`](Self::after_step) for a step that was skipped: what a stage has collected in its
    /// passes must not get into the next step.
    fn step_skipped(&mut self) {}

    /// Numbers beside the losses to write down with them, such as how much of a codebook is in use.
    fn observe(&mut self) -> Scalars {
        Scalars::new()
    }

    /// Held-out numbers. The model is in evaluation mode.
    ///
    /// # Errors
    /// Whatever is wrong with the data.
    fn validate(&mut self, model: &Self::Model) -> Result<Scalars, StageError>;

    /// Factor of the learning rate for the parameter of this name.
    fn rate_factor(&self, _parameter: &str) -> f64 {
        1.0
    }

    /// What else a checkpoint must hold: where the data is, counts.
    fn state(&self) -> serde_json::Value;

    /// Goes on from a [`state`](Self::state).
    ///
    /// # Errors
    /// If the state is not one of this stage.
    fn restore(&mut self, state: serde_json::Value) -> Result<(), StageError>;
}

/// Which step it is, and its random numbers.
#[derive(Debug)]
pub struct Step {
    /// From 0.
    pub number: u64,
    /// Whether what is computed in this step besides will be written down.
    pub is_logged: bool,
    /// Random numbers of this step.
    pub random: ChaCha8Rng,
}

/// The loss of one batch.
#[derive(Debug)]
pub struct Losses {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// What it is made of, each `[1]`.
    pub parts: Vec<(&'static str, Tensor<1>)>,
}
