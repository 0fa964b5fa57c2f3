//! `vipra policy`.

mod curves;
mod describe;
mod open_loop;

use std::path::Path;

use anyhow::{Result, bail};
use vipra_policy::model::ActionDecoder;
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

/// A package whose policy sees so many crops of a frame.
pub fn open_package(path: &Path, crops: &CropsArgs) -> Result<Package> {
    let mut package = Package::open(path)?;
    if let Some(crops) = crops.crops {
        if crops > 1 && package.specification.sizes.decoder == ActionDecoder::Autoregressive {
            bail!("--crops {crops}: what an autoregressive policy chooses for several crops cannot be averaged");
        }
        if crops > 1 && package.specification.crop_area >= 1.0 {
            bail!("--crops {crops}: the policy was finetuned on whole frames (finetune.augmentation.crop_area = 1)");
        }
        package.specification.crops = crops.into();
    }
    Ok(package)
}
