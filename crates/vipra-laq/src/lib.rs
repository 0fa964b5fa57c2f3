//! The latent action model (stage 1).
//!
//! An inverse-dynamics encoder sees a whole clip and says, in a few discrete codes per transition, what happened between
//! two frames; a causal decoder rebuilds the next frame from the past and those codes. Learnt without action labels.
//!
//! This crate holds the model and its losses, and nothing about files, loops or flags. It uses `vipra-nn`.

mod error;
pub mod quantizer;

pub use error::{Error, Result};
