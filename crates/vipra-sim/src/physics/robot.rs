//! A tool that goes where it is told, with fingers that press no harder than they should.
//!
//! Palm and fingers are kinematic bodies: nothing moves them but commands. Fingers hold by friction alone. A contact of
//! rapier is a stiff spring, so the depth of a contact is a force: fingers close until both press [`PRESSING`] deep into an
//! object and stay there, and the tool does not sink further into what it presses [`BLOCKED`] deep onto the table.

use glam::{Quat, Vec3};
use rapier3d::math::Pose;
use rapier3d::prelude::{CoefficientCombineRule, ColliderBuilder, PhysicsWorld, RigidBodyBuilder, RigidBodyHandle};

use super::contact::Who;
use crate::embodiment::{Body, Part};

/// Depth of both fingers' contacts at which they stop closing, in metres.
const PRESSING: f32 = 8e-4;
/// Depth at which something below is in the way, in metres. To the side, everything gives way.
const BLOCKED: f32 = 3e-3;
/// Contacts whose normal points down more than this are from above.
const FROM_ABOVE: f32 = 0.5;
/// How fast the space between the fingers changes, in metres a second.
const FINGER_SPEED: f32 = 0.22;
/// Rubber; the larger friction of two bodies counts.
const FRICTION: f32 = 1.4;

/// Where the tool is to be at the end of a step of the robot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Command {
    pub(crate) tool: Pose,
    /// Space between the fingers, in metres.
    pub(crate) gap: f32,
}

pub(crate) struct Robot {
    bodies: [RigidBodyHandle; 3],
    tool: Pose,
    gap: f32,
}

/// A step of the robot on its way.
pub(crate) struct Motion {
    command: Command,
    left: usize,
}

impl Robot {
    pub(crate) fn new(world: &mut PhysicsWorld, body: &dyn Body, tool: Pose) -> Self {
        let gap = body.widest();
        let bodies = Part::ALL.map(|part| {
            let handle =
                world.insert_body(RigidBodyBuilder::kinematic_position_based().pose(part_pose(part, tool, gap)));
            for (pose, shape) in body.shapes(part) {
                let collider = ColliderBuilder::new(shape)
                    .position(pose)
                    .friction(FRICTION)
                    .friction_combine_rule(CoefficientCombineRule::Max)
                    .user_data(Who::Robot(part).to_data());
                world.insert_collider(collider, Some(handle));
            }
            handle
        });
        Self { bodies, tool, gap }
    }

    pub(crate) fn tool(&self) -> Pose {
        self.tool
    }

    pub(crate) fn gap(&self) -> f32 {
        self.gap
    }

    pub(crate) fn begin(&self, command: &Command, steps: usize) -> Motion {
        Motion { command: *command, left: steps }
    }

    /// Sets where the parts are after the next step of the physics.
    pub(crate) fn drive(&mut self, motion: &mut Motion, world: &mut PhysicsWorld) {
        let share = 1.0 / motion.left.max(1) as f32;
        motion.left = motion.left.saturating_sub(1);
        let wanted = motion.command.tool;
        let step = (wanted.translation - self.tool.translation) * share;
        self.tool.translation += self.without_blocked(step, world);
        self.tool.rotation = self.tool.rotation.slerp(wanted.rotation, share);
        let change = FINGER_SPEED * world.integration_parameters.dt;
        if motion.command.gap >= self.gap {
            self.gap = (self.gap + change).min(motion.command.gap);
        } else if !self.is_pressing(world) {
            self.gap = (self.gap - change).max(motion.command.gap);
        }
        for (part, handle) in Part::ALL.into_iter().zip(self.bodies) {
            world.bodies[handle].set_next_kinematic_position(part_pose(part, self.tool, self.gap));
        }
    }

    /// A way without what leads further down into objects that cannot give way.
    fn without_blocked(&self, way: Vec3, world: &PhysicsWorld) -> Vec3 {
        let mut free = way;
        for part in 0..self.bodies.len() {
            self.for_each_contact(part, world, |_, normal, depth| {
                let inward = free.dot(normal);
                if depth > BLOCKED && normal.z < -FROM_ABOVE && inward > 0.0 {
                    free -= normal * inward;
                }
            });
        }
        free
    }

    /// Whether both fingers press on the same object.
    fn is_pressing(&self, world: &PhysicsWorld) -> bool {
        let pressed = |part: usize| {
            let mut objects = Vec::new();
            self.for_each_contact(part, world, |object, _, depth| {
                if depth >= PRESSING {
                    objects.push(object);
                }
            });
            objects
        };
        let left = pressed(1);
        !left.is_empty() && pressed(2).iter().any(|object| left.contains(object))
    }

    /// Calls with object, normal into the object, and depth.
    fn for_each_contact(&self, part: usize, world: &PhysicsWorld, mut call: impl FnMut(usize, Vec3, f32)) {
        for &own in world.bodies[self.bodies[part]].colliders() {
            for pair in world.contact_pairs_with(own) {
                let (other, sign) = if pair.collider1 == own { (pair.collider2, 1.0) } else { (pair.collider1, -1.0) };
                let Who::Object(object) = Who::from_data(world.colliders[other].user_data) else { continue };
                if let Some((manifold, contact)) = pair.find_deepest_contact() {
                    call(object, manifold.data.normal * sign, -contact.dist);
                }
            }
        }
    }
}

fn part_pose(part: Part, tool: Pose, gap: f32) -> Pose {
    let offset = match part {
        Part::Palm => 0.0,
        Part::Left => gap / 2.0,
        Part::Right => -gap / 2.0,
    };
    tool * Pose::from_parts(Vec3::new(0.0, offset, 0.0), Quat::IDENTITY)
}
