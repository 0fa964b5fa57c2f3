//! Finetuning: demonstrations, the stage of the training loop, held-out numbers, and the package at the end.

mod chunk;
mod config;
mod data;
mod evaluation;
mod hidden;
mod numbers;
mod session;
mod spaces;
mod stage;
mod start;

pub use chunk::{Chunk, cut};
pub use config::{ActionConfig, FinetuneConfig, ProprioConfig};
pub use hidden::HiddenConfig;
pub use session::{Session, Summary, check_demonstrations, train};
pub use stage::{FinetuneBatch, FinetuneStage};
pub use start::Start;
