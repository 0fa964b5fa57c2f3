//! The latent action model (stage 1).
//!
//! An inverse-dynamics encoder sees a whole clip and says, in a few discrete codes per transition, what happened between
//! two frames; a causal decoder rebuilds the next frame from the past and those codes. Learnt without action labels.
//!
//! [`LaqConfig`] → [`Laq`], made of a [spatial encoder](spatial_encoder), the shared spatio-temporal transformer, a
//! [quantiser](quantizer) with a tiny codebook, and a decoder. [`masked_l1`](loss::masked_l1) is its first loss; the
//! perceptual and the flow loss are shared and live in `vipra-nn`.
//!
//! This crate holds the model and its losses, and nothing about files, loops or flags. It uses `vipra-nn`.

mod error;
pub mod loss;
mod model;
pub mod quantizer;
pub mod spatial_encoder;

pub use error::{Error, Result};
pub use model::{DownSampler, Inference, Laq, LaqConfig, Reconstruction, reference_names};
