//! Pushing something to a side.

use glam::{Quat, Vec2, Vec3, Vec3Swizzles};

use super::Expert;
use super::phase::{Goal, Phase, nearest_quarter};
use super::pick::home_yaw;
use crate::tabletop::Tabletop;
use crate::task::Side;

/// Free space between tool and object where a push begins, in metres.
const RUN_UP: f32 = 0.014;
/// How far the tool is from its own middle to its side, in metres.
const TOOL: f32 = 0.013;
/// How far a push goes, in metres; the style adds to it.
const WAY: f32 = 0.072;
/// The tool sits under the object's drift by so much of it: it pushes where the object has to turn back.
const STEER: f32 = 0.5;
/// Steps after which a push that does not get there begins again.
const PATIENCE: usize = 12;
/// Above the lowest that tips go, in metres.
const CLEARANCE: f32 = 0.006;
const CLOSED: f32 = -1.0;

impl Expert {
    /// The phase that follows, if this one is over.
    pub(super) fn push_next(&self, table: &Tabletop, source: usize, side: Side) -> Option<Phase> {
        let arrived = self.has_arrived(table);
        let begin = table.scene().objects[source];
        let way = table.physics().pose(source).translation.xy() - Vec2::new(begin.x, begin.y);
        let pushed = way.dot(Vec2::from(side.direction()));
        match self.phase {
            Phase::Reach if arrived => Some(Phase::Sink),
            Phase::Sink if arrived => Some(Phase::Push),
            Phase::Push if pushed >= WAY + self.style.extra_push => Some(Phase::Leave),
            Phase::Push if self.steps > PATIENCE => Some(Phase::Reach),
            Phase::Leave if arrived => Some(if table.verdict().success_now { Phase::Done } else { Phase::Reach }),
            Phase::Done if !table.verdict().success_now => Some(Phase::Reach),
            _ => None,
        }
    }

    pub(super) fn push_goal(&self, table: &Tabletop, source: usize, side: Side) -> Goal {
        let body = table.config().embodiment.body();
        let now = table.target().translation;
        let kind = table.scene().objects[source].object.kind;
        let direction = Vec2::from(side.direction()).extend(0.0);
        let across = Vec3::new(-direction.y, direction.x, 0.0);
        let begin = table.scene().objects[source];
        let object = table.physics().pose(source).translation;
        let drift = (object - Vec3::new(begin.x, begin.y, 0.0)).dot(across);
        let low = body.tip_depth() + CLEARANCE;
        let behind = object - direction * (kind.half_extents()[0] + TOOL + RUN_UP);
        let behind = (behind + across * (drift * STEER)).with_z(low);
        let yaw = nearest_quarter(0.0, home_yaw(table));
        let goal = |place: Vec3, tolerance: f32, haste: f32| Goal {
            place,
            rotation: Quat::from_rotation_z(yaw),
            gripper: CLOSED,
            tolerance,
            haste,
        };
        match self.phase {
            Phase::Reach => goal(behind.with_z(self.style.height.min(0.09)), 0.012, 1.0),
            Phase::Sink => goal(behind, 0.006, 0.9),
            Phase::Push => goal(behind + direction * 0.06, 0.0, 0.7),
            // Up, and a little back from the object, which it would drag along.
            _ => goal((now - direction * 0.02).with_z(self.style.height), 0.03, 0.9),
        }
    }
}
