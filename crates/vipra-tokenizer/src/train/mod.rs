//! Training of the frame tokenizer, which the reference lacks: data, losses, codebook, held-out numbers.

mod codebook;
mod config;
mod cutmix;
mod evaluation;
mod frames;
mod losses;
#[cfg(test)]
#[path = "../../../vipra-laq/tests/made_data/mod.rs"]
mod made_data;
mod rare_colors;
mod seeding;
mod session;
mod stage;

pub use config::{CodebookConfig, LossConfig, TokenizerStageConfig};
pub use evaluation::Evaluation;
pub use frames::{batch_of, frame_data, held_out_frames};
pub use session::{Session, Summary, train};
