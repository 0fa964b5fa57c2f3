//! The interface between the training loop and a stage.

use burn::module::Module;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

/// An error of the stage's own crate.
pub type StageError = Box<dyn std::error::Error + Send + Sync>;

/// Named numbers, in the order in which they are shown.
pub type Scalars = Vec<(String, f64)>;

/// Numbers by name, for a file.
pub fn as_json(scalars: &Scalars) -> Map<String, Value> {
    scalars.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect()
}

/// A stage of the pipeline: its model, data, loss and held-out numbers.
pub trait Stage {
    /// The model that is trained.
    type Model: Module;
    /// Input of one forward pass.
    type Batch;

    /// The next batch. [`state`](Self::state) holds the position in the data.
    ///
    /// # Errors
    /// Whatever is wrong with the data.
    fn next_batch(&mut self) -> Result<Self::Batch, StageError>;

    /// The loss of a batch.
    ///
    /// # Errors
    /// If the model or a loss cannot process the batch.
    fn loss(&mut self, model: &Self::Model, batch: Self::Batch, step: &mut Step) -> Result<Losses, StageError>;

    /// Called after the optimiser, for updates by other means than gradients; not after a step that was skipped.
    ///
    /// # Errors
    /// Any error of the stage.
    fn after_step(&mut self, model: Self::Model, _step: &mut Step) -> Result<Self::Model, StageError> {
        Ok(model)
    }

    /// Called in place of [`after_step`](Self::after_step) for a step that was skipped: the stage drops what it has collected
    /// in the passes of the step.
    fn step_skipped(&mut self) {}

    /// Further metrics beside the losses, such as the use of a codebook.
    fn observe(&mut self) -> Scalars {
        Scalars::new()
    }

    /// Held-out numbers. The model is in evaluation mode.
    ///
    /// # Errors
    /// Whatever is wrong with the data.
    fn validate(&mut self, model: &Self::Model) -> Result<Scalars, StageError>;

    /// Factor on the learning rate for the parameter of this name.
    fn rate_factor(&self, _parameter: &str) -> f64 {
        1.0
    }

    /// The stage's part of a checkpoint, such as the position in the data and counts.
    fn state(&self) -> serde_json::Value;

    /// Restores a [`state`](Self::state).
    ///
    /// # Errors
    /// If the state is not one of this stage.
    fn restore(&mut self, state: serde_json::Value) -> Result<(), StageError>;
}

/// A step of the training loop.
#[derive(Debug)]
pub struct Step {
    /// From 0.
    pub number: u64,
    /// Whether metrics are written after this step.
    pub is_logged: bool,
    /// Random numbers of this step.
    pub random: ChaCha8Rng,
}

/// The loss of one batch.
#[derive(Debug)]
pub struct Losses {
    /// The loss that is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Its terms by name, each `[1]`.
    pub parts: Vec<(&'static str, Tensor<1>)>,
}
