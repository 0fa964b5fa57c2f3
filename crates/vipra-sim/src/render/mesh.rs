//! Surfaces of triangles.

use std::f32::consts::{PI, TAU};

use glam::{Vec2, Vec3};

use crate::object::Kind;
use crate::physics::BOWL_FOOT;

/// The surfaces that there are; a [`Solid`](super::Solid) scales them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mesh {
    /// From -1 to 1 along each axis.
    Cube,
    /// Of radius 1, from -1 to 1 along z.
    Cylinder,
    /// Of radius 1.
    Sphere,
    /// In its size.
    Plate,
    /// In its size.
    Bowl,
}

/// A corner of a triangle. Each three in a row are one, counter-clockwise from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Corner {
    pub(crate) place: Vec3,
    pub(crate) normal: Vec3,
}

/// The corners of every surface.
pub(crate) struct Meshes {
    corners: [Vec<Corner>; 5],
}

impl Meshes {
    pub(crate) fn new() -> Self {
        let cylinder = [[0.0, -1.0], [1.0, -1.0], [1.0, 1.0], [0.0, 1.0]].map(Vec2::from);
        let sphere: Vec<Vec2> = (0..=6).map(|step| circle_point(PI * step as f32 / 6.0)).collect();
        Self {
            corners: [
                cube(),
                lathe(&cylinder, 12, false),
                lathe(&sphere, 10, true),
                lathe(&plate_profile(), 24, false),
                lathe(&bowl_profile(), 24, false),
            ],
        }
    }

    pub(crate) fn of(&self, mesh: Mesh) -> &[Corner] {
        &self.corners[mesh as usize]
    }
}

fn circle_point(angle: f32) -> Vec2 {
    Vec2::new(angle.sin(), -angle.cos())
}

/// A flat disc with a rim that rises a little.
fn plate_profile() -> Vec<Vec2> {
    let [radius, _, half] = Kind::Plate.half_extents();
    let points = [
        [0.0, -half],
        [radius * 0.7, -half],
        [radius, half],
        [radius * 0.94, half],
        [radius * 0.72, -half * 0.1],
        [0.0, -half * 0.1],
    ];
    points.map(Vec2::from).to_vec()
}

fn bowl_profile() -> Vec<Vec2> {
    let [radius, _, half] = Kind::Bowl.half_extents();
    let (wall, floor) = (0.005, 0.005 - half);
    let points = [
        [0.0, -half],
        [BOWL_FOOT, -half],
        [radius, half],
        [radius - wall, half],
        [BOWL_FOOT - wall, floor],
        [0.0, floor],
    ];
    points.map(Vec2::from).to_vec()
}

fn cube() -> Vec<Corner> {
    let mut corners = Vec::new();
    for axis in 0..3 {
        for sign in [-1.0, 1.0] {
            let unit = |axis: usize| Vec3::from_array(std::array::from_fn(|at| if at == axis % 3 { 1.0 } else { 0.0 }));
            let (normal, u) = (unit(axis) * sign, unit(axis + 1));
            let v = normal.cross(u);
            for [a, b] in [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]] {
                corners.push(Corner { place: normal + u * a + v * b, normal });
            }
        }
    }
    corners
}

/// The surface of a profile (distance from the axis, height; from below, outside first) that turns around z; `is_smooth`
/// for one that is round along its profile too.
fn lathe(profile: &[Vec2], segments: usize, is_smooth: bool) -> Vec<Corner> {
    let turned = |point: Vec2, segment: usize| {
        let angle = TAU * (segment % segments) as f32 / segments as f32;
        Vec3::new(point.x * angle.cos(), point.x * angle.sin(), point.y)
    };
    let mut corners = Vec::new();
    for ends in profile.windows(2) {
        let (low, high) = (ends[0], ends[1]);
        let along = high - low;
        let slope = Vec2::new(along.y, -along.x).normalize_or_zero();
        let normal_at = |point: Vec2| if is_smooth { point.normalize_or_zero() } else { slope };
        for segment in 0..segments {
            let corner = |point: Vec2, segment: usize| Corner {
                place: turned(point, segment),
                normal: turned(normal_at(point), segment),
            };
            let (a, b) = (corner(low, segment), corner(low, segment + 1));
            let (c, d) = (corner(high, segment + 1), corner(high, segment));
            if low.x > 0.0 {
                corners.extend([a, b, c]);
            }
            if high.x > 0.0 {
                corners.extend([a, c, d]);
            }
        }
    }
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_look_where_their_normals_point() {
        for (index, corners) in Meshes::new().corners.iter().enumerate() {
            for triangle in corners.chunks_exact(3) {
                let [a, b, c] = [0, 1, 2].map(|corner| triangle[corner].place);
                let side = (b - a).cross(c - a).normalize_or_zero();
                let mean: Vec3 = triangle.iter().map(|corner| corner.normal).sum();
                assert!(side == Vec3::ZERO || side.dot(mean) > 0.0, "surface {index}: {triangle:?}");
            }
        }
    }
}
