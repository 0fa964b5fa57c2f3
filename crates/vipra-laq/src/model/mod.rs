//! The whole model: configuration, encoder side, decoder side, rollouts.
//!
//! Shapes: a clip is `[batch, time, 3, height, width]` in [0, 1]; `patches = height/patch · width/patch`;
//! a clip of `time` frames has `time − 1` transitions, each of `code_length` codes of `code_dim` channels.

mod config;
mod decode;
mod down_sampler;
mod encode;
mod identity_init;
mod laq;
mod rollout;
mod standardization;

pub use config::LaqConfig;
pub use down_sampler::DownSampler;
pub use encode::{Inference, Reconstruction};
pub use laq::{Laq, reference_names};
