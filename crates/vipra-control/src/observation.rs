//! What a policy sees, and what it answers.

use vipra_data::Frame;

use crate::{Error, Result};

/// What a robot sees at one moment, in its own units.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What to do, such as `put the spoon on the towel`.
    pub instruction: String,
    /// The frame [`frame_interval_secs`](crate::PolicyDescription::frame_interval_secs) ago, and the current one.
    pub frames: [Frame; 2],
    /// States of the robot, the oldest first, `[states][dimensions]`; empty for a policy that asks for none.
    pub proprio: Vec<Vec<f32>>,
}

/// Actions for the steps to come, the nearest first, in the robot's units.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActionChunk {
    /// `[horizon][dimensions]`
    pub actions: Vec<Vec<f32>>,
}

impl Observation {
    /// Refuses an observation that does not have `states` states of `dimensions` finite numbers.
    ///
    /// # Errors
    /// [`Error::Observation`] that names what is wrong.
    pub fn check_proprio(&self, states: usize, dimensions: usize) -> Result<()> {
        let fault = |reason: String| Err(Error::observation("proprio", reason));
        if self.proprio.len() != states {
            return fault(format!("{} states, but the policy wants {states}", self.proprio.len()));
        }
        for (index, state) in self.proprio.iter().enumerate() {
            if state.len() != dimensions {
                return fault(format!("state {index} has {} numbers, wanted are {dimensions}", state.len()));
            }
            if let Some(at) = state.iter().position(|value| !value.is_finite()) {
                return fault(format!("number {at} of state {index} is {}", state[at]));
            }
        }
        Ok(())
    }
}
