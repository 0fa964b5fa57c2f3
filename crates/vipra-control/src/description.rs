//! What a policy wants to see and what its numbers mean.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_data::normalize::Normalizer;

/// What an action does to the robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// Moves the end effector from where it is: zeros are no motion.
    DeltaEndEffector,
    /// Says where to be: no motion is the last action again.
    Absolute,
}

/// How three numbers turn something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RotationForm {
    /// Axis times angle.
    RotationVector,
    /// Roll, pitch and yaw: Rz(yaw)·Ry(pitch)·Rx(roll).
    RollPitchYaw,
    /// Nothing is turned, or by joint angles.
    None,
}

/// Which dimension moves the gripper, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gripper {
    /// Name of the dimension.
    pub dimension: String,
    /// Its value where the gripper is open.
    pub open: f64,
    /// Its value where it is closed.
    pub closed: f64,
}

/// The numbers of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSpace {
    /// What an action does.
    pub kind: ActionKind,
    /// How it turns the end effector.
    pub rotation: RotationForm,
    /// The gripper, if there is one.
    pub gripper: Option<Gripper>,
    /// A name for each dimension.
    pub names: Vec<String>,
    /// A unit for each dimension; `1` where there is none. Ensembles average `rad` and `deg` as angles, unless the end
    /// effector turns by a rotation vector.
    pub units: Vec<String>,
    /// From the robot's units to the model's.
    pub normalizer: Normalizer,
}

impl ActionSpace {
    /// Dimensions.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// Position of the gripper's dimension.
    pub fn gripper_dimension(&self) -> Option<usize> {
        let gripper = self.gripper.as_ref()?;
        self.names.iter().position(|name| *name == gripper.dimension)
    }

    /// Which numbers of an action stay what they were when the robot is to stay as it is; the others are zero then
    /// (reference 7).
    pub fn held(&self) -> Vec<bool> {
        let gripper = self.gripper_dimension();
        let is_held = |at: usize| self.kind == ActionKind::Absolute || Some(at) == gripper;
        (0..self.width()).map(is_held).collect()
    }
}

/// The numbers of a state of the robot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProprioSpace {
    /// A name for each dimension.
    pub names: Vec<String>,
    /// States that the policy sees, one a step, up to the current one.
    pub states: usize,
    /// From the robot's units to the model's.
    pub normalizer: Normalizer,
}

/// What must be known of a policy to drive a robot with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDescription {
    /// How it computes, such as `flow-matching`.
    pub policy: String,
    /// Its actions.
    pub action: ActionSpace,
    /// The states that it sees, if any.
    pub proprio: Option<ProprioSpace>,
    /// Actions of a chunk.
    pub horizon: usize,
    /// Actions a second.
    pub control_rate_hz: f64,
    /// Time between the two frames that it sees.
    pub frame_interval_secs: f64,
    /// Height and width of its frames, in pixels; others are brought to it.
    pub image_size: [usize; 2],
    /// Crops that it sees of a frame: the centred one, and others around it. What they say is averaged.
    #[serde(default = "one")]
    pub crops: usize,
    /// What it was made of: model → fingerprint.
    pub fingerprints: BTreeMap<String, String>,
}

/// Packages that do not say how many crops they see were made when there was no choice.
fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(kind: ActionKind) -> ActionSpace {
        ActionSpace {
            kind,
            rotation: RotationForm::None,
            gripper: Some(Gripper { dimension: "gripper".into(), open: 1.0, closed: -1.0 }),
            names: vec!["x".into(), "gripper".into()],
            units: vec!["m".into(), "1".into()],
            normalizer: Normalizer { offset: vec![0.0; 2], scale: vec![1.0; 2] },
        }
    }

    #[test]
    fn a_robot_that_stays_as_it_is_holds_its_gripper() {
        assert_eq!(space(ActionKind::DeltaEndEffector).held(), [false, true]);
        assert_eq!(space(ActionKind::Absolute).held(), [true, true]);
    }
}
