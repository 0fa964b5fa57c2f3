//! What objects look like.

use glam::Vec3;
use rapier3d::math::Pose;

use super::Solid;
use super::mesh::Mesh;
use crate::object::{Kind, Object};

/// An object at a pose.
pub(crate) fn object_solid(object: Object, pose: Pose) -> Solid {
    let (mesh, scale) = match object.kind {
        Kind::Block => (Mesh::Cube, Vec3::from(object.kind.half_extents())),
        Kind::Plate => (Mesh::Plate, Vec3::ONE),
        Kind::Bowl => (Mesh::Bowl, Vec3::ONE),
    };
    Solid::new(mesh, scale, Vec3::ZERO, object.color.albedo()).at(pose)
}
