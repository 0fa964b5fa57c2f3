//! Codebooks, however they are learned: the nearest code, counts of use, codes that follow the means of their vectors, new
//! starts for unused codes, the beginning of quantisation, an alarm for a collapse.

mod alarm;
mod follow;
mod nearest;
mod phase;
mod reseed;
mod usage;

pub use alarm::CollapseAlarm;
pub use follow::follow;
pub use nearest::nearest;
pub use phase::CodebookPhase;
pub use reseed::reseed;
pub use usage::{CodeUsage, perplexity};
