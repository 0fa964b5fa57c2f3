//! What a policy sees, and what it answers.

use vipra_data::Frame;

use crate::{Error, PolicyDescription, Result};

/// Most bytes of an instruction. What is cut to some hundred tokens is first read whole.
pub const MAX_INSTRUCTION_BYTES: usize = 4096;

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

impl ActionChunk {
    /// Refuses a chunk that is not as many actions, of as many finite numbers, as its policy says.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names what is wrong.
    pub fn check(&self, policy: &PolicyDescription) -> Result<()> {
        let fault = |reason: String| Err(Error::Invalid(reason));
        let (horizon, names) = (policy.horizon, &policy.action.names);
        if self.actions.len() != horizon || horizon == 0 {
            return fault(format!("a chunk of {} actions, and the policy says {horizon}", self.actions.len()));
        }
        for (step, action) in self.actions.iter().enumerate() {
            if action.len() != names.len() {
                return fault(format!("action {step} has {} numbers, and the robot {}", action.len(), names.len()));
            }
            if let Some(at) = action.iter().position(|value| !value.is_finite()) {
                return fault(format!("`{}` of action {step} is {}", names[at], action[at]));
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vipra_data::normalize::Normalizer;

    use super::*;
    use crate::{ActionKind, ActionSpace, RotationForm};

    fn description() -> PolicyDescription {
        PolicyDescription {
            policy: "none".into(),
            action: ActionSpace {
                kind: ActionKind::Absolute,
                rotation: RotationForm::None,
                gripper: None,
                names: vec!["x".into(), "y".into()],
                units: vec!["m".into(), "m".into()],
                normalizer: Normalizer { offset: vec![0.0; 2], scale: vec![1.0; 2] },
            },
            proprio: None,
            horizon: 3,
            control_rate_hz: 5.0,
            frame_interval_secs: 0.4,
            image_size: [2, 2],
            crops: 1,
            fingerprints: BTreeMap::new(),
        }
    }

    #[test]
    fn a_chunk_that_is_not_what_its_policy_says_is_refused() {
        let described = description();
        let fault =
            |actions: Vec<Vec<f32>>| ActionChunk { actions }.check(&described).err().map(|error| error.to_string());
        assert_eq!(fault(vec![vec![0.0; 2]; 3]), None);
        let cases = [
            (vec![], "a chunk of 0 actions, and the policy says 3"),
            (vec![vec![0.0; 2]; 2], "a chunk of 2 actions"),
            (vec![vec![0.0; 2]; 4], "a chunk of 4 actions"),
            (vec![vec![0.0; 3]; 3], "action 0 has 3 numbers, and the robot 2"),
            (vec![vec![0.0; 2], vec![0.0, f32::NAN], vec![0.0; 2]], "`y` of action 1 is NaN"),
        ];
        for (actions, expected) in cases {
            let found = fault(actions).unwrap_or_default();
            assert!(found.starts_with(expected), "{found} / {expected}");
        }
    }
}
