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
    /// One table and one page of evaluations, also those that the Python client wrote in SIMPLER.
    Report(EvalReportArgs),
}

/// Which policy, where, how often.
#[derive(Args)]
pub struct EvalRunArgs {
    /// The policy package, or the run folder that it lies in.
    #[arg(required = true)]
    pub package: Option<PathBuf>,
    /// Where it acts.
    #[arg(long, value_enum, default_value = "tabletop", value_name = "NAME")]
    pub env: EnvironmentName,
    /// Where episodes begin: seen, unseen-pairs, unseen-positions, or unseen for both of these.
    #[arg(long, value_delimiter = ',', default_value = "seen,unseen", value_name = "SPLITS")]
    pub split: Vec<String>,
    #[command(flatten)]
    pub scenes: ScenesArgs,
    /// Episodes of each split and seed.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub episodes: u32,
    /// Seeds of episodes, 0, 1, …
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub seeds: u16,
    /// Episodes at a time; their chunks are inferred together.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,
    /// Actions of a chunk to execute before the next chunk, in place of the package's execution.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    pub execute: Option<u16>,
    #[command(flatten)]
    pub crops: CropsArgs,
    /// Videos of the first so many successes, and failures, of each split.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub videos: usize,
    /// The folder to write: outcomes, videos, a page. An interrupted evaluation goes on when it is called again.
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
