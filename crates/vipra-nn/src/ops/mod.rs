//! The hot composites, one function each.
//!
//! On the CPU a chain of tensor operations is where time goes (framework notes: each link is a pass over memory, on one
//! thread), so models call these functions and nothing below them. Where a kernel exists (in `flex`), the function takes it on
//! the CPU device; the chain, named `.._unfused`, serves every other device and is what the kernel is tested against.

mod activation;
mod attention;
mod cached;
mod causal;
mod conv2d;
mod conv3d;
mod cross_entropy;
mod flex;
mod group_norm;
mod linear;
mod neighbourhood;
mod norm;
mod patch;
mod rope;
mod sample;

pub use activation::{geglu_and_drop, gelu, leaky_relu, swiglu};
pub use attention::{CosineAttentionOptions, cosine_self_attention, dot_self_attention};
pub use cached::{CachedAttentionOptions, KeysValues, cached_attention};
pub use causal::{Branches, CausalAttentionOptions, causal_self_attention};
pub use conv2d::conv2d;
pub use conv3d::{TimePadding, conv3d_by_time};
pub use cross_entropy::cross_entropy;
pub use group_norm::group_norm_silu;
pub use linear::linear;
pub use neighbourhood::add_neighbours;
pub(crate) use norm::unit_channels;
pub use norm::{layer_norm, modulated_norm, rms_norm};
pub(crate) use patch::embed_patches;
pub use patch::join_patches;
pub use rope::{AnglePrecision, Pairs, RotaryTable, rotate};
pub(crate) use sample::{sample_window, warp};

#[cfg(test)]
pub(crate) mod tests;
