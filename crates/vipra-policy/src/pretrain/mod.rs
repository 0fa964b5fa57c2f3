//! Pretraining: samples from token caches and labels, the stage of the training loop, held-out numbers beside baselines.

mod baselines;
mod config;
mod data;
mod evaluation;
mod session;
mod source;
mod stage;

pub use config::{PretrainConfig, SequenceConfig};
pub use session::{Session, Summary, train};
pub use source::Prepared;
