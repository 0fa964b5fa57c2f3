//! Shared neural blocks: what more than one model of the workspace is made of.
//!
//! The spatio-temporal transformer of the latent action model and its parts ([`attention`], [`position_bias`],
//! [`position_generator`], [`conditioning`], [`feed_forward`], [`patch_embedding`], [`st_transformer`]); the
//! [perceptual loss](perceptual) and the loss on [optical flow](optical_flow); [weights](weights) in files of others and
//! of ours; [devices](device) by name; [parameters](parameter) changed without gradients; [codebooks](codebook) and
//! [pixels]; the [threads] that kernels share.
//!
//! Every hot composite sits behind one function of [`ops`], so that it can be fused in one place. This crate uses the
//! tensor framework and no other crate of the workspace.

pub mod attention;
pub mod codebook;
pub mod conditioning;
pub mod device;
mod error;
pub mod feed_forward;
mod initial;
pub mod memory;
pub mod norm;
pub mod ops;
pub mod optical_flow;
pub mod parameter;
pub mod patch_embedding;
pub mod perceptual;
pub mod pixels;
pub mod position_bias;
pub mod position_generator;
pub mod st_transformer;
pub mod threads;
pub mod weights;

pub use error::{Error, Result};
