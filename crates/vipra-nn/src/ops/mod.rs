//! The hot composites, one function each.
//!
//! They are chains of tensor operations for now. On the CPU such chains are where time goes (framework notes: each link
//! is a pass over memory, on one thread), so models call these functions and nothing below them: a fused kernel then
//! replaces the body of one function and no model changes.

mod activation;
mod attention;
mod conv3d;
mod flex;
mod linear;
mod neighbourhood;
mod norm;
mod patch;
mod rope;
mod sample;

pub use activation::{geglu, geglu_and_drop, gelu, leaky_relu};
pub use attention::{CosineAttention, cosine_attention, cosine_self_attention, dot_attention, dot_self_attention};
pub use conv3d::{TimePadding, conv3d_by_time};
pub use linear::linear;
pub use neighbourhood::add_neighbours;
pub use norm::{layer_norm, modulated_norm, normalize_last, unit_channels};
pub use patch::{embed_patches, join_patches};
pub use rope::{RotaryTable, rotate_half};
pub use sample::{sample_window, warp};

#[cfg(test)]
mod tests;
