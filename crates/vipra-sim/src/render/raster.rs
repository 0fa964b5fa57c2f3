//! Triangles to pixels, by `euc`.

use euc::buffer::Buffer2d;
use euc::rasterizer::Triangles;
use euc::{Interpolate, Pipeline, Target};
use vipra_data::Frame;

/// Samples along each side of a pixel.
const SAMPLES: usize = 2;

/// A corner of a triangle, as the camera sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vertex {
    /// Homogeneous clip coordinates, as in OpenGL.
    pub(crate) clip: [f32; 4],
    /// From 0 to 255.
    pub(crate) color: [f32; 3],
}

/// Light is already in the corners' colours.
struct Shaded;

impl Pipeline for Shaded {
    type Vertex = Vertex;
    type VsOut = Light;
    type Pixel = [u8; 3];

    fn vert(&self, vertex: &Vertex) -> ([f32; 4], Light) {
        (vertex.clip, Light(vertex.color))
    }

    fn frag(&self, light: &Light) -> Self::Pixel {
        light.0.map(|level| level as u8)
    }
}

/// Red, green and blue, from 0 to 255. `euc` mixes its own types by fused multiplication, which is a function call each on
/// processors that may lack it; so mixed, a picture takes half the time.
#[derive(Debug, Clone, Copy)]
struct Light([f32; 3]);

impl Interpolate for Light {
    fn lerp2(a: Self, b: Self, x: f32, y: f32) -> Self {
        Self(std::array::from_fn(|at| a.0[at] * x + b.0[at] * y))
    }

    fn lerp3(a: Self, b: Self, c: Self, x: f32, y: f32, z: f32) -> Self {
        Self(std::array::from_fn(|at| a.0[at] * x + b.0[at] * y + c.0[at] * z))
    }
}

/// Draws triangles into pictures of one size.
pub(crate) struct Raster {
    size: usize,
    color: Buffer2d<[u8; 3]>,
    depth: Buffer2d<f32>,
}

impl Raster {
    /// Pictures of `size` × `size` pixels.
    pub(crate) fn new(size: usize) -> Self {
        let samples = [size * SAMPLES; 2];
        Self { size, color: Buffer2d::new(samples, [0; 3]), depth: Buffer2d::new(samples, 1.0) }
    }

    /// Each three vertices are a triangle, seen from where they go counter-clockwise.
    pub(crate) fn draw(&mut self, vertices: &[Vertex], background: [u8; 3]) -> Frame {
        self.color.clear(background);
        self.depth.clear(1.0);
        Shaded.draw::<Triangles<'_, _>, _>(vertices, &mut self.color, Some(&mut self.depth));
        self.averaged()
    }

    /// The mean of each pixel's samples.
    fn averaged(&self) -> Frame {
        let samples = self.color.as_ref();
        let mut frame = Frame::new(self.size, self.size);
        let count = (SAMPLES * SAMPLES) as u16;
        for y in 0..self.size {
            for x in 0..self.size {
                let mut sum = [0_u16; 3];
                for row in 0..SAMPLES {
                    let begin = (y * SAMPLES + row) * self.size * SAMPLES + x * SAMPLES;
                    for sample in &samples[begin..begin + SAMPLES] {
                        sum.iter_mut().zip(sample).for_each(|(sum, level)| *sum += u16::from(*level));
                    }
                }
                frame.set_pixel(x, y, sum.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        frame
    }
}
