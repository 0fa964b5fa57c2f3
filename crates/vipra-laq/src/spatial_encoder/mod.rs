//! Spatial encoder: features of single frames, in the architecture of DINOv2 with registers (reference 3.2).

mod block;
mod dino;
mod resample;

pub use block::Block;
pub use dino::{DINO_NAMES, DINO_UNUSED, SpatialEncoder, SpatialEncoderConfig};
pub use resample::bicubic_weights;
