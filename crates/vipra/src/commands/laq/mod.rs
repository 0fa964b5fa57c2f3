//! `vipra laq`.

mod clip;
mod label;
mod report;
mod train;
mod transfer;

use anyhow::Result;
use vipra_laq::TrainedLaq;

pub use report::write_report;
pub use train::run_training;

use super::{Outcome, device};
use crate::cli::{LaqCommand, ModelArgs};

pub fn run(command: LaqCommand) -> Result<Outcome> {
    match command {
        LaqCommand::Train(args) => train::run(&args),
        LaqCommand::Label(args) => label::run(&args),
        LaqCommand::Report(args) => report::run(&args),
        LaqCommand::Transfer(args) => transfer::run(&args),
    }
}

fn open_model(args: &ModelArgs) -> Result<TrainedLaq> {
    Ok(TrainedLaq::open(&args.model, &device(&args.device)?)?)
}
