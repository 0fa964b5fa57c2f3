//! The latent action model (stage 1).
//!
//! An inverse-dynamics encoder sees a whole clip and says, in a few discrete codes per transition, what happened between
//! two frames; a causal decoder rebuilds the next frame from the past and those codes. Learnt without action labels.
//!
//! [`LaqConfig`] → [`Laq`], made of a [spatial encoder](spatial_encoder), the shared spatio-temporal transformer, a
//! [quantiser](quantizer) with a tiny codebook, and a decoder. [`masked_l1`](loss::masked_l1) is its first loss; the
//! perceptual and the flow loss are shared and live in `vipra-nn`.
//!
//! [`train`] makes a stage of the shared training loop of it. Of files this crate knows datasets and checkpoints, by
//! `vipra-data` and `vipra-train`; of flags nothing.

mod error;
pub mod frames;
pub mod label;
pub mod loss;
mod model;
pub mod quantizer;
pub mod report;
pub mod spatial_encoder;
pub mod train;
mod trained;

pub use error::{Error, Result};
pub use model::{DownSampler, Inference, Laq, LaqConfig, Reconstruction, reference_names};
pub use trained::{Description, TrainedLaq};
