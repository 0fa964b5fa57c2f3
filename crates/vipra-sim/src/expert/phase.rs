//! The parts of a task.

use glam::{Quat, Vec3};

use crate::task::Task;

/// What the expert is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To above the object, open.
    Approach,
    /// Down to it.
    Descend,
    /// Fingers close.
    Close,
    /// Up with it.
    Lift,
    /// To above where it goes.
    Carry,
    /// Down with it.
    Lower,
    /// Fingers open.
    Open,
    /// Up, without it.
    Retreat,
    /// To above where a push begins, closed.
    Reach,
    /// Down to there.
    Sink,
    /// Along.
    Push,
    /// Back a little, then up.
    Leave,
    /// Nothing is left to do.
    Done,
}

impl Phase {
    /// What a task begins with.
    pub(super) fn first(task: &Task) -> Self {
        match task {
            Task::Put { .. } | Task::Stack { .. } => Self::Approach,
            Task::Push { .. } => Self::Reach,
        }
    }
}

/// Where the tool is to be, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    pub(super) place: Vec3,
    pub(super) rotation: Quat,
    /// The gripper's number of the action: +1 open, -1 closed.
    pub(super) gripper: f32,
    /// How near is near enough, in metres.
    pub(super) tolerance: f32,
    /// Share of the usual speed.
    pub(super) haste: f32,
}

/// The turn around the vertical that is nearest to `near` among those that differ from `yaw` by quarters.
pub(super) fn nearest_quarter(yaw: f32, near: f32) -> f32 {
    let quarter = std::f32::consts::FRAC_PI_2;
    yaw + ((near - yaw) / quarter).round() * quarter
}

/// How far something is turned around the vertical, by that axis of it that lies flattest.
pub(super) fn yaw_of(rotation: Quat) -> f32 {
    let axes = [Vec3::X, Vec3::Y, Vec3::Z].map(|axis| rotation * axis);
    let flattest = axes.into_iter().min_by(|a, b| a.z.abs().total_cmp(&b.z.abs())).unwrap_or(Vec3::X);
    flattest.y.atan2(flattest.x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_same_after_a_quarter_turn() {
        for yaw in [-3.0_f32, -0.4, 0.2, 1.4, 2.9] {
            let found = nearest_quarter(yaw_of(Quat::from_rotation_z(yaw)), -0.9);
            assert!((found + 0.9).abs() <= std::f32::consts::FRAC_PI_4 + 1e-5);
            let quarters = (found - yaw) / std::f32::consts::FRAC_PI_2;
            assert!((quarters - quarters.round()).abs() < 1e-4, "{yaw} {found}");
        }
    }
}
