//! When the flow loss counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Weight of the flow loss over the course of training: nothing at first, then rising linearly (reference 4).
///
/// Early reconstructions are a blur in which no flow can be found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowSchedule {
    /// First step at which the loss is computed (60 000 in the release, reference 4).
    pub start_step: u64,
    /// Steps from there to the full weight (10 000 in the release, reference 4).
    pub warm_up_steps: u64,
    /// The full weight (0.1 in the release, reference 4).
    pub weight: f64,
}

impl Default for FlowSchedule {
    /// The release's values (reference 4).
    fn default() -> Self {
        Self { start_step: 60_000, warm_up_steps: 10_000, weight: 0.1 }
    }
}

impl FlowSchedule {
    /// The weight at a step; nothing where the loss need not be computed.
    pub fn at(&self, step: u64) -> Option<f64> {
        let since_start = step.checked_sub(self.start_step)?;
        let share = (since_start as f64 / self.warm_up_steps.max(1) as f64).min(1.0);
        let weight = self.weight * share;
        (weight > 0.0).then_some(weight)
    }
}
