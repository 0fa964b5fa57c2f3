//! The flags of the program.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

mod common;
mod config;
mod data;
mod eval;
mod laq;
mod parsers;
mod policy;
mod report;
mod run;
mod serve;
mod sim;
mod tokenizer;

pub use common::{DatasetsArgs, DeviceArgs, ModelArgs, TrainArgs};
pub use config::ConfigCommand;
pub use data::{ClipsArgs, ConvertArgs, DataCommand, SourceArgs, TargetFormat};
pub use eval::{EnvironmentName, EvalArgs, EvalCommand, EvalCompareArgs, EvalReportArgs, EvalRunArgs};
pub use laq::{LabelArgs, LaqCommand, ReportArgs, TransferArgs};
pub use policy::{CropsArgs, DescribeArgs, FinetuneArgs, OpenLoopArgs, PolicyCommand, PredictArgs, PretrainArgs};
pub use report::RunReportArgs;
pub use run::RunArgs;
pub use serve::ServeArgs;
pub use sim::{PlayArgs, RecordArgs, ScenesArgs, SimCommand, TableArgs};
pub use tokenizer::{EncodeArgs, ImportArgs, ReconstructArgs, TokenizerCommand};

/// Turns videos without action labels into a robot policy.
#[derive(Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 success, 1 a check failed or the command was interrupted, 2 it could not run."
)]
pub struct Cli {
    /// Log more to standard error: -v for information, -vv for debugging. The variable VIPRA_LOG sets a finer filter.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The log level that the flags ask for.
    pub fn log_level(&self) -> &'static str {
        ["warn", "info", "debug"].get(usize::from(self.verbose)).unwrap_or(&"trace")
    }
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the whole pipeline, from videos to an evaluated policy. Finished stages are kept; an interrupted run resumes.
    Run(RunArgs),
    /// Inspect, check and convert datasets and videos.
    #[command(subcommand)]
    Data(DataCommand),
    /// Train and use a latent action model.
    #[command(subcommand)]
    Laq(LaqCommand),
    /// Train and use a frame tokenizer.
    #[command(subcommand)]
    Tokenizer(TokenizerCommand),
    /// Pretrain on videos: predict the future frame and the latent actions. An interrupted run resumes.
    Pretrain(PretrainArgs),
    /// Let a pretrained model imagine the futures of frames, and draw them beside the true ones.
    Predict(PredictArgs),
    /// Turn a pretrained model and demonstrations into a policy. An interrupted run resumes.
    Finetune(FinetuneArgs),
    /// Describe a policy, or compare its actions with those of demonstrations.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Serve a policy over the network: ViPRA's HTTP API and openpi's WebSocket protocol, on one port.
    Serve(ServeArgs),
    /// Record or play scripted experts at the embedded tabletop, a simulator with nothing to download.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Let a policy act in an environment, and count how often it succeeds.
    Eval(Box<EvalArgs>),
    /// Collect the results of a run folder into one self-contained HTML page.
    Report(RunReportArgs),
    /// Show or check a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Version, tensor backends, devices, FFmpeg.
    Info,
    /// Print a script that completes commands and flags in a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}
