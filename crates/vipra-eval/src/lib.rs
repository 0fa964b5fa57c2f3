//! How often a policy succeeds.
//!
//! [`evaluate`] runs episodes of an [`Environment`] several at a time, infers their chunks together, and writes each
//! [`Outcome`] as it ends; a killed evaluation goes on. [`summarize`] counts, with a 95 % interval on every rate; [`compare`]
//! pairs two policies on the same episodes; [`page`] shows it. Policies are known by the trait `vipra_control::Policy` alone.

mod compare;
mod environment;
mod error;
mod evaluate;
mod outcome;
mod page;
mod rollout;
mod statistics;
mod summary;
mod tabletop;
mod videos;

pub use compare::{Compared, Comparison, compare};
pub use environment::{Environment, Episode, Verdict};
pub use error::{Error, Result};
pub use evaluate::{EvaluateOptions, OUTCOMES, evaluate, plan};
pub use outcome::{Header, Outcome, OutcomeLog, read_outcomes};
pub use page::{HOW_COUNTED, Section, page};
pub use statistics::{Rate, mcnemar, quantile};
pub use summary::{Summary, summarize};
pub use tabletop::{TabletopEnvironment, splits_named};
pub use videos::{VIDEOS, Video, videos};
