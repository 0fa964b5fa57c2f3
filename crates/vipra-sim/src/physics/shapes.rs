//! The shapes of objects, as they touch.

use std::f32::consts::{FRAC_PI_2, TAU};

use glam::{Quat, Vec3};
use rapier3d::math::Pose;
use rapier3d::prelude::ColliderBuilder;

use crate::object::Kind;

/// Kilograms a cubic metre: light wood.
const DENSITY: f32 = 600.0;
const FRICTION: f32 = 0.6;
/// Boxes that the wall of a bowl is made of.
const STAVES: usize = 12;
/// Half of the thickness of a bowl's wall and floor.
const BOWL_THICKNESS: f32 = 0.0025;
/// Outer radius of a bowl's foot.
pub(crate) const BOWL_FOOT: f32 = 0.046;

pub(crate) fn of(kind: Kind) -> Vec<ColliderBuilder> {
    let [x, y, z] = kind.half_extents();
    let shapes = match kind {
        Kind::Block => vec![ColliderBuilder::cuboid(x, y, z)],
        Kind::Plate => vec![upright_cylinder(z, x, 0.0)],
        Kind::Bowl => bowl(x, z),
    };
    shapes.into_iter().map(|shape| shape.density(DENSITY).friction(FRICTION)).collect()
}

/// Rapier's cylinders lie along y.
fn upright_cylinder(half_height: f32, radius: f32, z: f32) -> ColliderBuilder {
    let pose = Pose::from_parts(Vec3::new(0.0, 0.0, z), Quat::from_rotation_x(FRAC_PI_2));
    ColliderBuilder::cylinder(half_height, radius).position(pose)
}

/// A floor, and a wall of boxes that lean outwards.
fn bowl(rim: f32, half_height: f32) -> Vec<ColliderBuilder> {
    let floor = upright_cylinder(BOWL_THICKNESS, BOWL_FOOT, BOWL_THICKNESS - half_height);
    let lean = ((rim - BOWL_FOOT) / (2.0 * half_height)).atan();
    let length = half_height / lean.cos();
    let middle = (rim + BOWL_FOOT) / 2.0 - BOWL_THICKNESS;
    let half_width = rim * (TAU / (2 * STAVES) as f32).tan();
    let stave = |number: usize| {
        let around = Quat::from_rotation_z(TAU * number as f32 / STAVES as f32);
        let pose = Pose::from_parts(around * Vec3::new(middle, 0.0, 0.0), around * Quat::from_rotation_y(lean));
        ColliderBuilder::cuboid(BOWL_THICKNESS, half_width, length).position(pose)
    };
    std::iter::once(floor).chain((0..STAVES).map(stave)).collect()
}
