//! `vipra policy`.

mod curves;
mod describe;
mod open_loop;
mod replay;

use std::path::Path;

use anyhow::{Context, Result};
use vipra_policy::policy::Package;

pub use open_loop::{DimensionError, compare_episode};

use super::Outcome;
use crate::cli::{CropsArgs, PolicyCommand};

pub fn run(command: PolicyCommand) -> Result<Outcome> {
    match command {
        PolicyCommand::Describe(args) => describe::run(&args),
        PolicyCommand::OpenLoop(args) => open_loop::run(&args),
    }
}

/// Opens a package; its policy sees as many crops of a frame as are asked for.
pub fn open_package(path: &Path, crops: &CropsArgs) -> Result<Package> {
    let mut package = Package::open(path)?;
    if let Some(crops) = crops.crops {
        let seeing = package.specification.with_crops(crops.into());
        package.specification = seeing.with_context(|| format!("--crops {crops}"))?;
    }
    Ok(package)
}
