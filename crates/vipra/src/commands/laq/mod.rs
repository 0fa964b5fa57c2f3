//! `vipra laq`.

mod clip;
mod label;
mod report;
mod sources;
mod train;
mod transfer;

use anyhow::Result;
use burn::tensor::Device;
use vipra_laq::TrainedLaq;

pub use report::measure;
pub use sources::{dataset_fingerprints, split_datasets};
pub use train::learn;

use super::Outcome;
use crate::cli::{DeviceArgs, LaqCommand, ModelArgs};

pub fn run(command: LaqCommand) -> Result<Outcome> {
    match command {
        LaqCommand::Train(args) => train::run(&args),
        LaqCommand::Label(args) => label::run(&args),
        LaqCommand::Report(args) => report::run(&args),
        LaqCommand::Transfer(args) => transfer::run(&args),
    }
}

pub fn device(args: &DeviceArgs) -> Result<Device> {
    Ok(vipra_nn::device::named(&args.device)?)
}

fn open_model(args: &ModelArgs) -> Result<TrainedLaq> {
    Ok(TrainedLaq::open(&args.model, &device(&args.device)?)?)
}
