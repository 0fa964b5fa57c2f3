//! The multimodal transformer: it reads an instruction and two frames, and predicts the frame H steps ahead and the latent
//! actions that lead there.
//!
//! [`layout`] says which token stands where in a sample, [`model`] is the transformer, [`loss`] what is minimised, and
//! `pretrain` makes a stage of the training loop of it.

mod error;
pub mod layout;
pub mod loss;
pub mod model;

pub use error::{Error, Result};
