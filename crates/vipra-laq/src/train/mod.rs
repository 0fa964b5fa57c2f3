//! Training of the latent action model: its data, its losses, its codebook, its held-out numbers.

mod batch;
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

pub use batch::{Batch, batch_of};
pub use codebook::CodebookTracker;
pub use config::{CodebookConfig, CodebookInitialization, FlowConfig, FlowNetwork, LaqStageConfig, LossConfig};
pub use evaluation::{Evaluation, MOTION_THRESHOLD, MOVING_SHARE};
pub use losses::LossSet;
pub use session::{Session, Summary, train};
pub use stage::LaqStage;
