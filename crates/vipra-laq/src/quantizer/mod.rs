//! Noise-substitution vector quantiser (NSVQ, reference 1) and the health of its codebook.

mod nsvq;
mod replacement;
mod seeding;

pub use nsvq::{Nsvq, NsvqConfig, Quantized};
pub use replacement::{Replacement, ReplacementConfig, ReplacementSource};
pub use seeding::{reseed_unused, seed};
pub use vipra_nn::codebook::{CodeUsage, perplexity};
