//! What stages do: each calls what its own command calls, and then has drawn what people look at.

mod data;
mod evaluation;
mod training;

use anyhow::Result;
use serde_json::{Map, Value};

use super::context::RunContext;
use super::monitor::Monitor;
use crate::stage::Stage;

pub use evaluation::{CURVES, OPEN_LOOP};

/// How a stage ended.
pub enum StageEnd {
    /// Everything is there.
    Done(Figures),
    /// It was asked to stop.
    Interrupted,
}

/// What is to be remembered of a stage.
pub struct Figures {
    /// The figure to look at first, in words.
    pub key: String,
    /// All of them.
    pub all: Map<String, Value>,
}

/// Does what a stage does, from where it was.
///
/// # Errors
/// Whatever keeps it from ending.
pub fn run(stage: Stage, context: &RunContext, monitor: &Monitor) -> Result<StageEnd> {
    match stage {
        Stage::Videos | Stage::Demonstrations => data::prepare(stage, context),
        Stage::Tokenizer => training::tokenizer(context, monitor),
        Stage::Laq => training::laq(context, monitor),
        Stage::Cache => training::cache(context),
        Stage::Pretrain => training::pretrain(context, monitor),
        Stage::Finetune => training::finetune(context, monitor),
        Stage::Evaluate => evaluation::evaluate(context),
    }
}
