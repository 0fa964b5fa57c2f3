//! `vipra sim`.

mod play;
mod record;

use anyhow::Result;
use vipra_sim::TabletopConfig;

pub use record::record_dataset;

use super::Outcome;
use crate::cli::{SimCommand, TableArgs};

pub fn run(command: SimCommand) -> Result<Outcome> {
    match command {
        SimCommand::Record(args) => record::run(&args),
        SimCommand::Play(args) => play::run(&args),
    }
}

fn table(args: &TableArgs, size: u16) -> Result<TabletopConfig> {
    anyhow::ensure!(size.is_multiple_of(2), "--size {size}: videos have an even number of pixels a side");
    Ok(TabletopConfig { embodiment: args.embodiment, scenes: args.scenes.of(args.split), size: size.into() })
}
