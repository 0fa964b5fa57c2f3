//! Codebooks, whatever learns them: the nearest code, how often each is chosen, new starts for unused ones.

mod nearest;
mod reseed;
mod usage;

pub use nearest::nearest;
pub use reseed::reseed;
pub use usage::{CodeUsage, perplexity};
