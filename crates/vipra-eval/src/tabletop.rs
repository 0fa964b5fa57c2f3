//! The embedded tabletop as an environment.

use glam::EulerRot;
use vipra_control::{ActionKind, PolicyDescription, RotationForm};
use vipra_data::Frame;
use vipra_sim::record::evaluation_seed;
use vipra_sim::{ACTION_NAMES, CONTROL_RATE_HZ, DIMENSIONS, STATE_NAMES, Split, Tabletop, TabletopConfig};

use crate::environment::{Environment, Episode, Verdict};
use crate::{Error, Result};

/// Dimensions of an action before the gripper's.
const ROTATION: std::ops::Range<usize> = 3..6;
const GRIPPER: usize = 6;

/// A tabletop that understands one policy's numbers.
pub struct TabletopEnvironment {
    table: Tabletop,
    /// Dimensions of the state that the policy wants, in its order.
    states: Vec<usize>,
    rotation: RotationForm,
    /// The gripper's numbers for open and closed.
    gripper: [f32; 2],
}

impl TabletopEnvironment {
    /// For a policy; its split comes with each episode.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything about the policy that this robot does not understand.
    pub fn new(config: TabletopConfig, policy: &PolicyDescription) -> Result<Self> {
        let faults = faults(policy);
        if !faults.is_empty() {
            return Err(Error::Invalid(format!(
                "the tabletop's gripper is not this policy's robot: {}",
                faults.join("; ")
            )));
        }
        let names = policy.proprio.iter().flat_map(|proprio| &proprio.names);
        let states = names.filter_map(|name| STATE_NAMES.iter().position(|known| known == name)).collect();
        let gripper = policy.action.gripper.as_ref().map_or([1.0, -1.0], |g| [g.open as f32, g.closed as f32]);
        Ok(Self { table: Tabletop::new(config, 0)?, states, rotation: policy.action.rotation, gripper })
    }

    /// The simulator's action: a rotation vector, and a gripper that is open or closed and nothing in between, as SIMPLER's
    /// adapters have it (interfaces d.3).
    fn action(&self, action: &[f32]) -> Result<[f32; DIMENSIONS]> {
        let count = action.len();
        let mut own = <[f32; DIMENSIONS]>::try_from(action)
            .map_err(|_| Error::Invalid(format!("an action of {count} numbers; here it has {DIMENSIONS}")))?;
        if self.rotation == RotationForm::RollPitchYaw {
            let [roll, pitch, yaw] = [own[3], own[4], own[5]];
            let vector = glam::Quat::from_euler(EulerRot::ZYX, yaw, pitch, roll).to_scaled_axis();
            own[ROTATION].copy_from_slice(&vector.to_array());
        }
        let [open, closed] = self.gripper;
        let opening = (own[GRIPPER] - closed) / (open - closed);
        // What is no number is for the simulator to refuse.
        if opening.is_finite() {
            own[GRIPPER] = if opening > 0.5 { 1.0 } else { -1.0 };
        }
        Ok(own)
    }
}

/// What of a policy the tabletop's gripper cannot do.
fn faults(policy: &PolicyDescription) -> Vec<String> {
    let mut faults = Vec::new();
    let action = &policy.action;
    if action.width() != DIMENSIONS || action.names.last().map(String::as_str) != ACTION_NAMES.last().copied() {
        faults.push(format!("its actions are {}, here {}", action.names.join(", "), ACTION_NAMES.join(", ")));
    }
    if action.kind != ActionKind::DeltaEndEffector {
        faults.push("its actions are absolute, here they are displacements of the tool".to_owned());
    }
    if action.gripper.as_ref().is_some_and(|gripper| gripper.open == gripper.closed) {
        faults.push("its gripper is open and closed at the same number".to_owned());
    }
    if (policy.control_rate_hz - f64::from(CONTROL_RATE_HZ)).abs() > 1e-3 {
        faults.push(format!("it acts {} times a second, here {CONTROL_RATE_HZ}", policy.control_rate_hz));
    }
    let wanted = policy.proprio.iter().flat_map(|proprio| &proprio.names);
    let missing: Vec<&str> = wanted.map(String::as_str).filter(|name| !STATE_NAMES.contains(name)).collect();
    if !missing.is_empty() {
        faults.push(format!("it wants states that are not known here: {}", missing.join(", ")));
    }
    faults
}

/// The splits that a name stands for: its own, or both that are new with `unseen`.
pub fn splits_named(name: &str) -> Option<Vec<Split>> {
    match name {
        "unseen" => Some(vec![Split::UnseenPairs, Split::UnseenPositions]),
        _ => Split::ALL.into_iter().find(|split| split.name() == name).map(|split| vec![split]),
    }
}

impl Environment for TabletopEnvironment {
    fn reset(&mut self, episode: &Episode) -> Result<()> {
        let unknown = || Error::Invalid(format!("the tabletop has no split `{}`", episode.split));
        let split = Split::ALL.into_iter().find(|split| split.name() == episode.split).ok_or_else(unknown)?;
        let seed = evaluation_seed(episode.seed, episode.number);
        let config = self.table.config();
        if config.scenes.split == split {
            return Ok(self.table.reset(seed)?);
        }
        let config = TabletopConfig { scenes: config.scenes.of(split), ..config.clone() };
        self.table = Tabletop::new(config, seed)?;
        Ok(())
    }

    fn observe(&mut self) -> Result<(Frame, Vec<f32>)> {
        let (frame, state) = self.table.observe();
        Ok((frame, self.states.iter().map(|at| state[*at]).collect()))
    }

    fn step(&mut self, action: &[f32]) -> Result<()> {
        Ok(self.table.step(&self.action(action)?)?)
    }

    fn instruction(&self) -> String {
        self.table.instruction().to_owned()
    }

    fn task(&self) -> String {
        self.table.scene().task.kind().name().to_owned()
    }

    fn verdict(&self) -> Verdict {
        let verdict = self.table.verdict();
        Verdict {
            success_now: verdict.success_now,
            grasped: verdict.grasped,
            touched: Some(verdict.touched),
            moved_correct: Some(verdict.moved_correct),
            moved_wrong: Some(verdict.moved_wrong),
        }
    }

    fn most_steps(&self) -> usize {
        self.table.most_steps()
    }
}
