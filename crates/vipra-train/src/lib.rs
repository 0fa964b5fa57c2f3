//! The training loop that all stages share.
//!
//! A stage implements [`Stage`]: it makes batches and computes the loss. [`run`] does the rest: it reads from top to bottom
//! and knows no stage by name. Everything random in a step is a function of the seed and the step, so that a
//! [checkpoint](checkpoint) needs no random state and a resumed run equals an uninterrupted one.
//!
//! Names of parameters and weights files come from `vipra-nn`.

pub mod checkpoint;
mod clock;
mod config;
mod ema;
mod error;
mod gradients;
mod initialization;
mod interrupt;
mod metrics;
mod muon;
mod optimizer;
mod passes;
pub mod perceptual;
mod random;
mod run;
mod stage;
mod sum;
mod training_state;
mod weights_header;

pub use config::{CheckpointConfig, MatrixRule, OptimizerConfig, Schedule, TrainConfig};
pub use error::{Error, Result};
pub use gradients::{clip_by_norm, global_norm};
pub use interrupt::Interrupt;
pub use metrics::METRICS_FILE;
pub use optimizer::Optimizer;
pub use random::for_step;
pub use run::{Ended, Outcome, Progress, Run, run};
pub use stage::{Losses, Scalars, Stage, StageError, Step, as_json};
pub use sum::ordered_sum;
pub use weights_header::{TrainedWeights, WeightsHeader};
