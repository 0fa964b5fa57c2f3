//! Noise-substitution vector quantiser (NSVQ, reference 1), and what keeps its codebook in use.

mod nsvq;
mod positions;
mod replacement;
mod seeding;

pub use nsvq::{Nsvq, NsvqConfig, Quantized};
pub(crate) use positions::{count_positions, overall, position_perplexity};
pub use replacement::{Replacement, ReplacementConfig, ReplacementSource};
pub use seeding::{reseed_unused, seed};
pub use vipra_nn::codebook::{CodeUsage, perplexity};
