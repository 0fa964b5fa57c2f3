//! The multimodal transformer: it reads an instruction and two frames, and predicts the frame H steps ahead and the latent
//! actions that lead there.
//!
//! [`layout`] says which token stands where in a sample, [`model`] is the transformer, [`loss`] what is minimised;
//! [`pretrain`] makes a stage of the training loop of it, and [`generate`] lets a trained model imagine.

mod error;
pub mod generate;
pub mod layout;
pub mod loss;
pub mod model;
pub mod pretrain;
mod prompt;
mod trained;

pub use error::{Error, Result};
pub use prompt::prompt;
pub use trained::{Codebook, Description, TrainedTransformer};
