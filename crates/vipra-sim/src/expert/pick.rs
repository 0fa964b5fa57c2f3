//! Picking something up and putting it on something.

use glam::{Quat, Vec3};

use super::Expert;
use super::phase::{Goal, Phase, nearest_quarter, yaw_of};
use crate::object::Kind;
use crate::tabletop::Tabletop;

/// Steps after which the way down ends where it is: an object that is pushed along is not caught up with.
const DESCENDING: usize = 6;
/// Steps until fingers have closed, and opened.
const CLOSING: usize = 2;
const OPENING: usize = 2;
/// How high a lifted object is at least, in metres above where it lay.
const LIFTED: f32 = 0.02;
/// Free fall of what is let go, in metres.
const DROP: f32 = 0.006;
/// The same into a bowl, whose wall would be in the fingers' way.
const DROP_INTO_BOWL: f32 = 0.014;
/// Thickness of a bowl's floor, in metres.
const BOWL_FLOOR: f32 = 0.005;

impl Expert {
    /// The phase that follows, if this one is over.
    pub(super) fn pick_next(&self, table: &Tabletop, source: usize, target: usize) -> Option<Phase> {
        let touch = table.physics().touch(source);
        let has_it = touch.is_grasped();
        let arrived = self.has_arrived(table);
        match self.phase {
            Phase::Approach if arrived => Some(Phase::Descend),
            Phase::Descend if arrived || self.steps >= DESCENDING => Some(Phase::Close),
            Phase::Close if self.steps >= CLOSING => Some(if has_it { Phase::Lift } else { Phase::Approach }),
            Phase::Lift if !has_it => Some(Phase::Approach),
            Phase::Lift if arrived => {
                let is_up = table.physics().pose(source).translation.z > source_half(table, source) + LIFTED;
                Some(if is_up { Phase::Carry } else { Phase::Approach })
            }
            Phase::Carry if !has_it => Some(Phase::Approach),
            Phase::Carry if arrived => Some(Phase::Lower),
            Phase::Lower if arrived || touch.objects.contains(&target) => Some(Phase::Open),
            Phase::Lower if !has_it => Some(Phase::Open),
            Phase::Open if self.steps >= OPENING => Some(Phase::Retreat),
            Phase::Retreat if arrived => Some(if table.verdict().success_now { Phase::Done } else { Phase::Approach }),
            // What slid off while everything seemed done.
            Phase::Done if !table.verdict().success_now => Some(Phase::Approach),
            _ => None,
        }
    }

    pub(super) fn pick_goal(&self, table: &Tabletop, source: usize, target: usize) -> Goal {
        let now = table.target();
        let tool_yaw = yaw_of_tool(now.rotation);
        let block = table.physics().pose(source);
        let grasp_yaw = nearest_quarter(yaw_of(block.rotation), home_yaw(table));
        let miss = if self.retries == 0 { self.style.miss } else { Vec3::ZERO };
        let grasp = block.translation + Quat::from_rotation_z(grasp_yaw) * self.style.grasp + miss;
        let above = |place: Vec3| place.with_z(self.style.height.max(place.z));
        let leaning = |yaw: f32| {
            let [x, y] = self.style.lean;
            Quat::from_rotation_z(yaw) * Quat::from_rotation_y(y) * Quat::from_rotation_x(x)
        };
        let upright = Quat::from_rotation_z;
        let goal = |place: Vec3, rotation: Quat, gripper: f32, tolerance: f32, haste: f32| Goal {
            place,
            rotation,
            gripper,
            tolerance,
            haste,
        };
        // The tool holds the block somewhere beside its middle.
        let held = now.translation - block.translation;
        let put = self.put_down(table, source, target) + held.clamp_length_max(0.03);
        match self.phase {
            Phase::Approach => goal(above(grasp), upright(grasp_yaw), 1.0, 0.012, 1.0),
            Phase::Descend => goal(grasp, upright(grasp_yaw), 1.0, 0.004, 0.9),
            Phase::Close => goal(now.translation, now.rotation, -1.0, 0.01, 0.5),
            Phase::Lift => goal(above(now.translation), upright(tool_yaw), -1.0, 0.015, 0.9),
            Phase::Carry => goal(above(put), leaning(home_yaw(table)), -1.0, 0.010, 1.0),
            Phase::Lower => goal(put, upright(home_yaw(table)), -1.0, 0.004, 0.7),
            Phase::Open => goal(now.translation, now.rotation, self.style.release, 0.01, 0.5),
            _ => goal(above(now.translation), upright(tool_yaw), self.style.release.max(0.5), 0.02, 0.9),
        }
    }

    /// Where the middle of the source is to be when it is let go.
    fn put_down(&self, table: &Tabletop, source: usize, target: usize) -> Vec3 {
        let under = table.physics().pose(target).translation;
        let kind = table.scene().objects[target].object.kind;
        let half = kind.half_extents()[2];
        let (top, drop) = match kind {
            Kind::Block | Kind::Plate => (under.z + half, DROP),
            Kind::Bowl => (under.z - half + BOWL_FLOOR, DROP_INTO_BOWL),
        };
        (under + self.style.put).with_z(top + source_half(table, source) + drop)
    }
}

fn source_half(table: &Tabletop, source: usize) -> f32 {
    table.scene().objects[source].object.kind.half_extents()[2]
}

/// How the tool is turned when nothing asks for more.
pub(super) fn home_yaw(table: &Tabletop) -> f32 {
    yaw_of_tool(table.config().embodiment.body().home().rotation)
}

fn yaw_of_tool(rotation: Quat) -> f32 {
    let x = rotation * Vec3::X;
    x.y.atan2(x.x)
}
