//! Flags of `vipra run`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::common::DeviceArgs;
use super::sim::named;
use crate::commands::Stage;

/// Which pipeline, on what.
#[derive(Args)]
pub struct RunArgs {
    /// A TOML file, or the name of a preset: tiny, small, vipra-7b, simpler, demo-quick. Its section `run` says what is recorded
    /// or read.
    #[arg(value_name = "CONFIG")]
    pub config: String,
    /// The run folder [default: the folder of the configuration's name in `runs`].
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// A dataset whose videos and demonstrations are learned from, in place of what the configuration records or reads.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Sets one key, after the file: `--set finetune.train.steps=100`. May be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Stop after this stage.
    #[arg(long, value_name = "STAGE", value_parser = stages())]
    pub until: Option<Stage>,
    /// Make this stage, and all that are made from it, again.
    #[arg(long, value_name = "STAGE", value_parser = stages())]
    pub from: Option<Stage>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub device: DeviceArgs,
}

fn stages() -> impl TypedValueParser<Value = Stage> {
    named(Stage::ALL, Stage::name)
}
