//! The multimodal transformer: it reads an instruction and two frames, and predicts the frame H steps ahead and the latent
//! actions that lead there.
//!
//! [`layout`] says which token stands where in a sample, [`model`] is the transformer, [`loss`] what is minimised;
//! [`pretrain`] makes a stage of the training loop of it, and [`generate`] lets a trained model imagine.
//!
//! [`finetune`] makes a policy of it, from demonstrations: by [flow matching](flow_matching), or by bins. A [`policy`] puts out
//! chunks of actions, and travels in a package.

mod augmented_tokens;
mod bins;
mod error;
pub mod finetune;
#[cfg(test)]
mod fixtures;
pub mod flow_matching;
mod frames;
pub mod generate;
pub mod layout;
pub mod loss;
pub mod model;
pub mod policy;
pub mod pretrain;
mod prompt;
mod sample_stream;
mod trained;

pub use error::{Error, Result};
pub use frames::past_frame;
pub use prompt::prompt;
pub use trained::{CodebookInfo, Description, TrainedTransformer};
