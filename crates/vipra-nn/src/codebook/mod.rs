//! Codebooks, whatever learns them: the nearest code, how often each is chosen, means that codes follow, new starts for unused
//! ones, an alarm when next to none is in use.

mod alarm;
mod follow;
mod nearest;
mod reseed;
mod usage;

pub use alarm::CollapseAlarm;
pub use follow::follow;
pub use nearest::nearest;
pub use reseed::reseed;
pub use usage::{CodeUsage, perplexity};
