//! The world of rapier3d: a table, objects, and the parts of a robot.
//!
//! Everything is in metres, kilograms and seconds. x points away from the camera, y to the left, z up; the table's top is z = 0.

mod contact;
mod robot;
mod shapes;

use glam::{Quat, Vec3};
use rapier3d::math::Pose;
use rapier3d::prelude::{ColliderBuilder, PhysicsWorld, RigidBodyBuilder, RigidBodyHandle};

pub(crate) use contact::Touch;
pub(crate) use robot::Command;

use crate::embodiment::Embodiment;
use crate::scene::Scene;
use contact::Who;
use robot::Robot;
pub(crate) use shapes::BOWL_FOOT;

/// Steps of the physics in a step of the robot.
const SUBSTEPS: usize = 20;
/// Steps of the physics until everything has settled at the beginning.
const SETTLING: usize = 20;
/// Half of the table's side.
const HALF_TABLE: f32 = 0.6;

pub(crate) struct Physics {
    world: PhysicsWorld,
    objects: Vec<RigidBodyHandle>,
    robot: Robot,
}

impl Physics {
    /// The scene, settled, with the tool at `tool`.
    pub(crate) fn new(scene: &Scene, embodiment: Embodiment, tool: Pose, step_secs: f32) -> Self {
        let mut world = PhysicsWorld::new();
        world.gravity = Vec3::new(0.0, 0.0, -9.81);
        let parameters = &mut world.integration_parameters;
        parameters.dt = step_secs / SUBSTEPS as f32;
        // Objects are centimetres across.
        parameters.length_unit = 0.1;
        // Depths of contacts are read after every step, and must not be those of earlier ones.
        parameters.contact_recycling = false;
        let table = ColliderBuilder::cuboid(HALF_TABLE, HALF_TABLE, 0.05).friction(0.5).user_data(Who::Table.to_data());
        world.insert(RigidBodyBuilder::fixed().translation(Vec3::new(0.0, 0.0, -0.05)), table);
        let objects = scene.objects.iter().enumerate().map(|(index, placed)| {
            let rest = Vec3::new(placed.x, placed.y, placed.object.kind.half_extents()[2] + 1e-4);
            let pose = Pose::from_parts(rest, Quat::from_rotation_z(placed.yaw));
            // Sleeping bodies keep old contacts.
            let body = RigidBodyBuilder::dynamic().pose(pose).can_sleep(false).linear_damping(0.2).angular_damping(1.0);
            let body = world.insert_body(body);
            for shape in shapes::of(placed.object.kind) {
                world.insert_collider(shape.user_data(Who::Object(index).to_data()), Some(body));
            }
            body
        });
        let objects = objects.collect();
        let robot = Robot::new(&mut world, embodiment.body(), tool);
        let mut physics = Self { world, objects, robot };
        (0..SETTLING).for_each(|_| physics.world.step());
        physics
    }

    /// One step of the robot: its tool goes to where the command says, as far as nothing is in the way.
    pub(crate) fn advance(&mut self, command: &Command) {
        let mut motion = self.robot.begin(command, SUBSTEPS);
        for _ in 0..SUBSTEPS {
            self.robot.drive(&mut motion, &mut self.world);
            self.world.step();
        }
    }

    pub(crate) fn pose(&self, object: usize) -> Pose {
        *self.world.bodies[self.objects[object]].position()
    }

    /// Puts an object elsewhere, at rest.
    pub(crate) fn shift(&mut self, object: usize, way: Vec3) {
        let body = &mut self.world.bodies[self.objects[object]];
        let place = body.translation() + way;
        body.set_translation(place, true);
        body.set_linvel(Vec3::ZERO, true);
    }

    /// Metres a second.
    pub(crate) fn speed(&self, object: usize) -> f32 {
        self.world.bodies[self.objects[object]].linvel().length()
    }

    /// What an object touches.
    pub(crate) fn touch(&self, object: usize) -> Touch {
        let body = &self.world.bodies[self.objects[object]];
        Touch::of(&self.world, body.colliders())
    }

    pub(crate) fn tool(&self) -> Pose {
        self.robot.tool()
    }

    /// Space between the fingers, in metres.
    pub(crate) fn gap(&self) -> f32 {
        self.robot.gap()
    }
}
