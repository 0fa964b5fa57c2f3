//! `vipra laq`.

mod sources;
mod train;

use anyhow::Result;

use super::Outcome;
use crate::cli::LaqCommand;

pub fn run(command: LaqCommand) -> Result<Outcome> {
    match command {
        LaqCommand::Train(args) => train::run(&args),
    }
}
