//! Configuration of the training loop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a stage is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of the initial weights, of noise and of dropout.
    pub seed: u64,
    /// Steps of the optimiser.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Samples of one forward pass.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Forward passes whose gradients are averaged into one step.
    #[schemars(range(min = 1))]
    pub accumulation: usize,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// Steps with a non-finite loss or gradient that may be skipped; one more ends the run.
    pub skip_limit: u64,
    /// Decay of the moving average of the weights, in (0, 1); 0 turns it off.
    #[schemars(range(min = 0.0, max = 0.999_999))]
    pub ema_decay: f64,
    /// Steps from one line of metrics to the next.
    #[schemars(range(min = 1))]
    pub log_every: u64,
    /// Steps from one validation to the next; 0 for none but the last.
    pub validate_every: u64,
    /// When checkpoints are written and kept.
    pub checkpoint: CheckpointConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            steps: 300_000,
            batch_size: 18,
            accumulation: 1,
            optimizer: OptimizerConfig::default(),
            skip_limit: 100,
            ema_decay: 0.0,
            log_every: 20,
            validate_every: 1_000,
            checkpoint: CheckpointConfig::default(),
        }
    }
}

/// How parameters are changed, and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Learning rate at the height of the schedule.
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Optimizer of the layers' weight matrices; everything else uses AdamW.
    pub matrices: MatrixRule,
    /// Course of the learning rate after the warm-up.
    pub schedule: Schedule,
    /// Final learning rate as a fraction of the peak, for schedules that fall.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub final_rate: f64,
    /// Steps over which the learning rate rises linearly from 0.
    pub warm_up_steps: u64,
    /// Decay of the first moment.
    #[schemars(range(min = 0.0, max = 0.999_999))]
    pub beta_1: f64,
    /// Decay of the second moment.
    #[schemars(range(min = 0.0, max = 0.999_999))]
    pub beta_2: f64,
    /// Added to the denominator; above 0.
    #[schemars(range(min = 0.0))]
    pub epsilon: f64,
    /// Decoupled weight decay.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Weight decay applies to parameters with at least this many axes; 2 exempts norms and biases.
    pub decay_min_axes: usize,
    /// Maximum norm of all gradients; 0 turns clipping off.
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
}

impl Default for OptimizerConfig {
    /// The release's values for latent actions (reference 4).
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            matrices: MatrixRule::AdamW,
            schedule: Schedule::Constant,
            final_rate: 0.0,
            warm_up_steps: 0,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decay_min_axes: 2,
            clip_norm: 6.0,
        }
    }
}

/// By what rule the matrices of layers are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MatrixRule {
    /// As all other parameters (ViPRA's code).
    AdamW,
    /// Orthogonal steps: Muon with `beta_1`, as long as AdamW's (arXiv 2502.16982).
    Muon,
}

/// Course of the learning rate after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls along half a cosine.
    Cosine,
}

impl OptimizerConfig {
    /// Whether Muon updates the parameter of this name and number of axes: only matrices of numbered layers, and so neither
    /// embeddings nor heads.
    pub(crate) fn takes_muon(&self, name: &str, axes: usize) -> bool {
        let is_in_layer = || name.split('.').any(|part| part.parse::<usize>().is_ok());
        self.matrices == MatrixRule::Muon && axes == 2 && is_in_layer()
    }

    /// The learning rate of step `step` (from 0) of `steps`, as in Optax's `warmup_cosine_decay_schedule`.
    pub fn rate_at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warm_up_steps {
            return self.learning_rate * step as f64 / self.warm_up_steps as f64;
        }
        let share = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Cosine => {
                let length = steps.saturating_sub(self.warm_up_steps).max(1) as f64;
                let done = ((step - self.warm_up_steps) as f64 / length).min(1.0);
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
                self.final_rate + (1.0 - self.final_rate) * cosine
            }
        };
        self.learning_rate * share
    }
}

/// When checkpoints are written and which are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Steps from one checkpoint to the next; 0 for none but the last.
    pub every: u64,
    /// Checkpoints that are kept, the newest ones.
    #[schemars(range(min = 1))]
    pub keep: usize,
    /// Checkpoints at multiples of this many steps are kept for good; 0 for none.
    pub milestone_every: u64,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 1_000, keep: 2, milestone_every: 0 }
    }
}

impl TrainConfig {
    /// Checks what the types cannot express; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut at_least_one = |key: &str, value: u64| {
            if value == 0 {
                faults.push((key.to_owned(), "0 is less than 1".to_owned()));
            }
        };
        at_least_one("steps", self.steps);
        at_least_one("batch_size", self.batch_size as u64);
        at_least_one("accumulation", self.accumulation as u64);
        at_least_one("log_every", self.log_every);
        at_least_one("checkpoint.keep", self.checkpoint.keep as u64);
        let optimizer = &self.optimizer;
        for (key, value) in [("optimizer.beta_1", optimizer.beta_1), ("optimizer.beta_2", optimizer.beta_2)] {
            if !(0.0..1.0).contains(&value) {
                faults.push((key.to_owned(), format!("{value} is not in [0, 1)")));
            }
        }
        for (key, value) in [
            ("optimizer.learning_rate", optimizer.learning_rate),
            ("optimizer.weight_decay", optimizer.weight_decay),
            ("optimizer.clip_norm", optimizer.clip_norm),
        ] {
            if !value.is_finite() || value < 0.0 {
                faults.push((key.to_owned(), format!("{value} is not a number from 0 on")));
            }
        }
        // Tensors have 32 bits, in which smaller numbers would be 0.
        let epsilon = optimizer.epsilon as f32;
        if !(epsilon.is_normal() && epsilon > 0.0) {
            let reason = format!("{} is not a number above 0 in 32 bits", optimizer.epsilon);
            faults.push(("optimizer.epsilon".to_owned(), reason));
        }
        if !(0.0..=1.0).contains(&optimizer.final_rate) {
            faults.push(("optimizer.final_rate".to_owned(), format!("{} is not in [0, 1]", optimizer.final_rate)));
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            faults.push(("ema_decay".to_owned(), format!("{} is not in [0, 1)", self.ema_decay)));
        }
        if optimizer.warm_up_steps > self.steps {
            let reason = format!("{} is more than the {} steps of the run", optimizer.warm_up_steps, self.steps);
            faults.push(("optimizer.warm_up_steps".to_owned(), reason));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::{OptimizerConfig, TrainConfig};

    #[test]
    fn an_epsilon_that_adds_nothing_is_a_fault() {
        let keys = |epsilon: f64| -> Vec<String> {
            let optimizer = OptimizerConfig { epsilon, ..OptimizerConfig::default() };
            let faults = TrainConfig { optimizer, ..TrainConfig::default() }.faults();
            faults.into_iter().map(|(key, _)| key).collect()
        };
        assert!(keys(1e-8).is_empty() && keys(1e-30).is_empty());
        for epsilon in [0.0, -1e-8, 1e-50, f64::INFINITY, f64::NAN] {
            assert_eq!(keys(epsilon), ["optimizer.epsilon"], "{epsilon}");
        }
    }
}
