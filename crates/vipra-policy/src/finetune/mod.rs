//! Finetuning: demonstrations, the stage of the training loop, held-out numbers, and the package at the end.

mod chunk;
mod config;
mod data;
mod evaluation;
mod gripper;
mod masking;
mod numbers;
mod scales;
mod session;
mod spaces;
mod stage;
mod start;

pub use config::{ActionConfig, FinetuneConfig, ProprioConfig};
pub use masking::MaskingConfig;
pub use session::{Session, Summary, check_demonstrations, train};
pub use start::Start;
