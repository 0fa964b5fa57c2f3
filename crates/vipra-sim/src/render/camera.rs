//! Where pictures are taken from.

use glam::camera::rh::proj::opengl::perspective;
use glam::camera::rh::view::look_at_mat4;
use glam::{Mat4, Vec3};

/// In front of the table, looking down on all of it.
const PLACE: Vec3 = Vec3::new(-0.46, 0.0, 0.52);
const LOOKS_AT: Vec3 = Vec3::new(0.01, 0.0, 0.02);
/// Vertical and horizontal angle of view, in radians.
const ANGLE: f32 = 0.60;

pub(crate) struct Camera {
    clip_from_world: Mat4,
}

impl Camera {
    pub(crate) fn at_the_table() -> Self {
        let view = look_at_mat4(PLACE, LOOKS_AT, Vec3::Z);
        Self { clip_from_world: perspective(ANGLE, 1.0, 0.05, 3.0) * view }
    }

    /// Homogeneous clip coordinates, as in OpenGL.
    pub(crate) fn project(&self, place: Vec3) -> [f32; 4] {
        (self.clip_from_world * place.extend(1.0)).to_array()
    }
}
