//! Pictures of the table, without a graphics card.

mod camera;
mod look;
mod mesh;
mod raster;
mod solid;

use glam::Vec3;
use vipra_data::Frame;

pub(crate) use look::object_solid;
pub(crate) use solid::Solid;

use camera::Camera;
use mesh::Meshes;
use raster::{Raster, Vertex};

/// Where the light comes from: from above, a little from the left and from behind the camera.
const LIGHT: Vec3 = Vec3::new(-0.28, 0.30, 0.91);
/// Light from everywhere, as a share.
const AMBIENT: f32 = 0.48;
/// What of the light is left in a shadow on the table.
const SHADOW: f32 = 0.66;
const TABLE: [f32; 3] = [0.76, 0.70, 0.61];
const WALL: [u8; 3] = [92, 98, 104];
/// Half of the table's top along x and y, in metres.
const HALF_TABLE: [f32; 2] = [0.42, 0.50];
/// Shadows lie a little above the table, in metres.
const SHADOW_HEIGHT: f32 = 4e-4;

/// Draws solids on the table, seen by one fixed camera.
pub(crate) struct Renderer {
    camera: Camera,
    meshes: Meshes,
    raster: Raster,
    vertices: Vec<Vertex>,
}

impl Renderer {
    /// Draws pictures of `size` × `size` pixels.
    pub(crate) fn new(size: usize) -> Self {
        Self { camera: Camera::at_the_table(), meshes: Meshes::new(), raster: Raster::new(size), vertices: Vec::new() }
    }

    pub(crate) fn draw(&mut self, solids: &[Solid]) -> Frame {
        self.vertices.clear();
        self.add_table();
        solids.iter().for_each(|solid| self.add_shadow(solid));
        solids.iter().for_each(|solid| self.add(solid));
        self.raster.draw(&self.vertices, WALL)
    }

    fn add_table(&mut self) {
        let [x, y] = HALF_TABLE;
        let color = shade(TABLE, Vec3::Z);
        for [dx, dy] in [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]] {
            let clip = self.camera.project(Vec3::new(dx * x, dy * y, 0.0));
            self.vertices.push(Vertex { clip, color });
        }
    }

    /// What the solid keeps from the table of light.
    fn add_shadow(&mut self, solid: &Solid) {
        let color = shade(TABLE, Vec3::Z).map(|level| level * SHADOW);
        for vertex in self.meshes.of(solid.mesh) {
            let place = solid.pose.transform_point(vertex.place * solid.scale);
            let on_table = place - LIGHT * ((place.z - SHADOW_HEIGHT) / LIGHT.z);
            self.vertices.push(Vertex { clip: self.camera.project(on_table), color });
        }
    }

    fn add(&mut self, solid: &Solid) {
        for vertex in self.meshes.of(solid.mesh) {
            let place = solid.pose.transform_point(vertex.place * solid.scale);
            let normal = solid.pose.transform_vector((vertex.normal / solid.scale).normalize_or_zero());
            self.vertices.push(Vertex { clip: self.camera.project(place), color: shade(solid.albedo, normal) });
        }
    }
}

/// The colour of a surface: Lambert's law, and light from everywhere.
fn shade(albedo: [f32; 3], normal: Vec3) -> [f32; 3] {
    let direct = normal.dot(LIGHT.normalize()).max(0.0);
    let light = 255.0 * (AMBIENT + (1.0 - AMBIENT) * direct);
    albedo.map(|share| (share * light).min(255.0))
}
