//! Flags of `vipra run`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::common::DeviceArgs;
use super::parsers::named;
use crate::stage::Stage;

/// Which pipeline, on what.
#[derive(Args)]
pub struct RunArgs {
    /// A TOML file or a preset: tiny, small, vipra-7b, simpler, demo-quick. Its section `run` names the data to record or read.
    #[arg(value_name = "CONFIG")]
    pub config: String,
    /// The run folder [default: runs/NAME, by the name of the configuration].
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// A dataset for both videos and demonstrations, in place of those of the configuration.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Override a key of the configuration: `--set finetune.train.steps=100`. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Stop after this stage.
    #[arg(long, value_name = "STAGE", value_parser = stages())]
    pub until: Option<Stage>,
    /// Redo this stage and everything that depends on it.
    #[arg(long, value_name = "STAGE", value_parser = stages())]
    pub from: Option<Stage>,
    /// Show what would be done, why, and how long it takes; do nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub device: DeviceArgs,
}

fn stages() -> impl TypedValueParser<Value = Stage> {
    named(Stage::ALL, Stage::name)
}
