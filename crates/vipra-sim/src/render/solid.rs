//! What is drawn.

use glam::{Quat, Vec3};
use rapier3d::math::Pose;

use super::mesh::Mesh;

/// A scaled surface somewhere, of one colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Solid {
    pub(crate) mesh: Mesh,
    pub(crate) pose: Pose,
    pub(crate) scale: Vec3,
    /// How much red, green and blue it throws back, from 0 to 1.
    pub(crate) albedo: [f32; 3],
}

impl Solid {
    pub(crate) fn new(mesh: Mesh, scale: Vec3, middle: Vec3, albedo: [f32; 3]) -> Self {
        Self { mesh, pose: Pose::from_parts(middle, Quat::IDENTITY), scale, albedo }
    }

    pub(crate) fn cuboid(half: Vec3, middle: Vec3, albedo: [f32; 3]) -> Self {
        Self::new(Mesh::Cube, half, middle, albedo)
    }

    /// Upright.
    pub(crate) fn cylinder(radius: f32, half_height: f32, middle: Vec3, albedo: [f32; 3]) -> Self {
        Self::new(Mesh::Cylinder, Vec3::new(radius, radius, half_height), middle, albedo)
    }

    pub(crate) fn ellipsoid(half: Vec3, middle: Vec3, albedo: [f32; 3]) -> Self {
        Self::new(Mesh::Sphere, half, middle, albedo)
    }

    /// A cylinder from one point to another, with round ends.
    pub(crate) fn capsule(from: Vec3, to: Vec3, radius: f32, albedo: [f32; 3]) -> [Self; 3] {
        let along = to - from;
        let turn = Quat::from_rotation_arc(Vec3::Z, along.normalize_or(Vec3::Z));
        let mut shaft = Self::cylinder(radius, along.length() / 2.0, Vec3::ZERO, albedo);
        shaft.pose = Pose::from_parts((from + to) / 2.0, turn);
        let end = |at: Vec3| Self::ellipsoid(Vec3::splat(radius), at, albedo);
        [shaft, end(from), end(to)]
    }

    /// As a part of something that is at `pose`.
    pub(crate) fn at(mut self, pose: Pose) -> Self {
        self.pose = pose * self.pose;
        self
    }
}
