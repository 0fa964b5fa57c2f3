//! Pretraining: samples from token caches and labels, the stage of the training loop, held-out numbers beside baselines.

mod baselines;
mod config;
mod data;
mod evaluation;
mod session;
mod source;
mod stage;

pub use baselines::Baselines;
pub use config::{PretrainConfig, SequenceConfig};
pub use data::{Moment, Samples};
pub use evaluation::Evaluation;
pub use session::{Session, Summary, train};
pub use source::Prepared;
pub use stage::PretrainStage;
