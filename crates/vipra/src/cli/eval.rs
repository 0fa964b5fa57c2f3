//! Flags of `vipra eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::common::DeviceArgs;
use super::policy::CropsArgs;
use super::sim::ScenesArgs;

/// What to evaluate, or what to make of evaluations.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct EvalArgs {
    #[command(subcommand)]
    pub command: Option<EvalCommand>,
    #[command(flatten)]
    pub run: EvalRunArgs,
}

/// What to make of evaluations.
#[derive(Subcommand)]
pub enum EvalCommand {
    /// Compare two policies on the same episodes, by McNemar's exact test.
    Compare(EvalCompareArgs),
    /// Summarise evaluations in one table, and on a page; reads the Python client's SIMPLER results, too.
    Report(EvalReportArgs),
}

/// Which policy, where, how often.
#[derive(Args)]
pub struct EvalRunArgs {
    /// The policy package, or the run folder that it lies in.
    #[arg(required = true)]
    pub package: Option<PathBuf>,
    /// The environment to act in.
    #[arg(long, value_enum, default_value = "tabletop", value_name = "NAME")]
    pub env: EnvironmentName,
    /// Where scenes are drawn from: `seen`, `unseen-pairs`, `unseen-positions`, or `unseen` for both of the latter. Splits for
    /// which the policy's tasks and objects are too few are skipped with a warning.
    #[arg(long, value_delimiter = ',', default_value = "seen,unseen", value_name = "SPLITS")]
    pub split: Vec<String>,
    #[command(flatten)]
    pub scenes: ScenesArgs,
    /// Episodes per split and seed.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub episodes: u32,
    /// Number of seeds: 0 to N-1.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub seeds: u16,
    /// Episodes to run at once; their chunks are inferred as a batch.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,
    /// Actions of a chunk to execute before the next is inferred [default: as the package says].
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    pub execute: Option<u16>,
    #[command(flatten)]
    pub crops: CropsArgs,
    /// Save videos of the first N successes and the first N failures of each split.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub videos: usize,
    /// The folder to write: outcomes, videos, a page. An interrupted evaluation resumes.
    #[arg(long, required = true, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Where policies act.
#[derive(Clone, Copy, ValueEnum)]
pub enum EnvironmentName {
    /// The gripper of the embedded simulator.
    Tabletop,
}

/// Which evaluations.
#[derive(Args)]
pub struct EvalCompareArgs {
    /// Folder or outcomes file of the first policy.
    pub first: PathBuf,
    /// Folder or outcomes file of the second policy.
    pub second: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which evaluations.
#[derive(Args)]
pub struct EvalReportArgs {
    /// Folders or outcomes files.
    #[arg(required = true)]
    pub evaluations: Vec<PathBuf>,
    /// Also write a page.
    #[arg(long, value_name = "HTML")]
    pub out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
