//! Training of the latent action model: data, losses, codebook, held-out numbers.

mod batch;
mod clips;
mod codebook;
mod config;
mod evaluation;
mod losses;
#[cfg(test)]
#[path = "../../tests/made_data/mod.rs"]
mod made_data;
mod perceptual;
mod session;
mod stage;

pub use batch::Batch;
pub use config::{CodebookConfig, CodebookInitialization, FlowNetwork, LaqStageConfig, LossConfig, OpticalFlowConfig};
pub use evaluation::{Evaluation, MOTION_THRESHOLD, MOVING_SHARE};
pub use session::{Session, Summary, train};
