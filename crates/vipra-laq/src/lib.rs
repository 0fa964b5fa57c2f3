//! The latent action model (stage 1).
//!
//! An inverse-dynamics encoder sees a whole clip and describes, in a few discrete codes per transition, what happened
//! between two frames; a causal decoder rebuilds the next frame from the past and those codes. No action labels are needed.
//!
//! [`LaqConfig`] → [`Laq`], made of a [spatial encoder](spatial_encoder), the shared spatio-temporal transformer, a
//! [quantiser](quantizer) with a tiny codebook, and a decoder. [`masked_l1`](loss::masked_l1) is its first loss; the
//! perceptual and the flow loss are shared and live in `vipra-nn`.
//!
//! [`train`] makes it a stage of the shared training loop, [`label`] labels datasets, [`report`] measures a trained model.
//! Datasets and checkpoints are read through `vipra-data` and `vipra-train`; command-line flags are not known here.

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
