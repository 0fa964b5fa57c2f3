//! From where the tool is to be, to the next action.

use glam::{Quat, Vec3};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rapier3d::math::Pose;

use super::phase::Goal;
use super::style::Style;
use crate::tabletop::DIMENSIONS;

/// Shortest step on the way, in metres, so that it arrives.
const CREEP: f32 = 0.004;
/// How much of the tremor stays from one step to the next.
const TREMOR_KEPT: f32 = 0.6;
/// Turning trembles by so much for each metre of the tremor, in radians.
const TURN_TREMOR: f32 = 4.0;

/// Speeds up and slows down, and trembles.
pub(super) struct Motion {
    speed: f32,
    tremor: Vec3,
    /// Still to come.
    knock: Option<Vec3>,
}

impl Motion {
    pub(super) fn new(style: &Style) -> Self {
        Self { speed: 0.0, tremor: Vec3::ZERO, knock: style.knock }
    }

    /// The action that brings the tool nearer to the goal, from the pose that the last action wanted.
    pub(super) fn towards(
        &mut self,
        goal: &Goal,
        from: Pose,
        style: &Style,
        rng: &mut ChaCha8Rng,
    ) -> [f32; DIMENSIONS] {
        let way = goal.place - from.translation;
        let left = way.length();
        let fastest = style.speed * goal.haste;
        let slowing = (left * style.eagerness).max(CREEP);
        self.speed = (self.speed + style.acceleration).min(fastest).min(slowing).min(left);
        let mut step = way.normalize_or_zero() * self.speed;
        self.tremor = self.tremor * TREMOR_KEPT + trembling(rng) * style.tremor;
        step += self.tremor * (0.3 + 0.7 * self.speed / style.speed);
        // In the middle of a long way.
        if let Some(knock) = self.knock.filter(|_| left < 0.09 && goal.haste >= 1.0) {
            step += knock;
            self.knock = None;
        }
        let turn = shortest(goal.rotation * from.rotation.inverse()).to_scaled_axis().clamp_length_max(style.turn);
        let turn = turn + Vec3::Z * (trembling(rng).z * style.tremor * TURN_TREMOR);
        [step.x, step.y, step.z, turn.x, turn.y, turn.z, goal.gripper]
    }
}

/// The same rotation by less than half a turn.
fn shortest(rotation: Quat) -> Quat {
    if rotation.w < 0.0 { -rotation } else { rotation }
}

/// Roughly normal, with a deviation of 1 along each axis.
fn trembling(rng: &mut ChaCha8Rng) -> Vec3 {
    let mut one = || (0..3).map(|_| rng.random_range(-1.0..=1.0_f32)).sum();
    Vec3::new(one(), one(), one())
}
