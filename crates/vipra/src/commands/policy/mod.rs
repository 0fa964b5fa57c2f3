//! `vipra policy`.

mod curves;
mod describe;
mod open_loop;

use anyhow::Result;

pub use open_loop::{DimensionError, compare_episode};

use super::Outcome;
use crate::cli::PolicyCommand;

pub fn run(command: PolicyCommand) -> Result<Outcome> {
    match command {
        PolicyCommand::Describe(args) => describe::run(&args),
        PolicyCommand::OpenLoop(args) => open_loop::run(&args),
    }
}
