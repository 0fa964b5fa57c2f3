//! `vipra data`.

mod check;
mod clips;
mod convert;
mod inspect;
mod stats;

use anyhow::Result;
use vipra_data::{DataConfig, Source, SourceConfig};

pub use clips::draw_clips;
pub use inspect::frame_rates;

use super::Outcome;
use super::datasets::open_dataset;
use crate::cli::{DataCommand, SourceArgs};

pub fn run(command: DataCommand) -> Result<Outcome> {
    match command {
        DataCommand::Inspect { source, json } => inspect::run(&source, json),
        DataCommand::Check { path, fps, workers, json } => check::run(&path, fps, usize::from(workers), json),
        DataCommand::Stats { source, config, split, pictures, out, json } => {
            stats::run(&stats::Request { source, config, split, pictures, out, json })
        }
        DataCommand::Convert(args) => convert::run(&args),
        DataCommand::Clips(args) => clips::run(&args),
    }
}

/// Opens a dataset with a progress bar.
fn open(args: &SourceArgs) -> Result<Box<dyn Source>> {
    open_as(args, &DataConfig { on_error: args.on_error.into(), ..DataConfig::default() })
}

/// Opens a dataset with a progress bar, as strictly as a configuration says.
fn open_as(args: &SourceArgs, data: &DataConfig) -> Result<Box<dyn Source>> {
    open_dataset(data, &SourceConfig { fps: args.fps, ..SourceConfig::new(&args.path) })
}
