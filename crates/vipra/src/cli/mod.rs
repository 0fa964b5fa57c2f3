//! The flags of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::ConfigArgs;

mod common;
mod eval;
mod laq;
mod policy;
mod report;
mod run;
mod serve;
mod sim;
mod tokenizer;

pub use common::{DatasetsArgs, DeviceArgs, ModelArgs, TrainArgs};
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
    after_help = "Exit codes: 0 done, 1 a check failed or it was interrupted, 2 could not run."
)]
pub struct Cli {
    /// Say more on standard error; twice for everything. The variable VIPRA_LOG filters finer.
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
    /// Run the whole pipeline, from videos to an evaluated policy. What is there already is not made again, and an interrupted
    /// run goes on when it is called again.
    Run(RunArgs),
    /// Look at, check and convert datasets and videos.
    #[command(subcommand)]
    Data(DataCommand),
    /// Learn latent actions from videos, and use them.
    #[command(subcommand)]
    Laq(LaqCommand),
    /// Learn frame tokens from videos, and use them.
    #[command(subcommand)]
    Tokenizer(TokenizerCommand),
    /// Learn to predict the future frame and the latent actions from videos. An interrupted run goes on when it is called
    /// again.
    Pretrain(PretrainArgs),
    /// Let a pretrained model imagine the future of frames, and draw it beside the truth.
    Predict(PredictArgs),
    /// Turn a pretrained model and demonstrations into a policy. An interrupted run goes on when it is called again.
    Finetune(FinetuneArgs),
    /// Look at a policy, and compare its actions with those of demonstrations.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Put a policy on the network, by ViPRA's HTTP API and openpi's WebSocket protocol on one port.
    Serve(ServeArgs),
    /// Work at the embedded tabletop: something to learn from, with nothing to download.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Let a policy act in an environment, and count how often it succeeds.
    Eval(Box<EvalArgs>),
    /// Collect what the stages left in a run folder into one page that needs nothing beside it.
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

/// Commands on configurations.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print the whole configuration, defaults included, with what each key means.
    Show(ConfigArgs),
    /// Check a configuration and list everything that is wrong with it.
    Check(ConfigArgs),
}

/// Commands on data.
#[derive(Subcommand)]
pub enum DataCommand {
    /// Say what a dataset is: episodes, seconds, rates, features, tasks.
    Inspect {
        #[command(flatten)]
        source: SourceArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check rows against metadata, timestamps and codecs, and decode every frame. Exit code 1 if anything is wrong.
    Check {
        /// A LeRobot dataset (v2.1 or v3.0), a folder of videos, or a folder of frame folders.
        path: PathBuf,
        /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
        #[arg(long, value_name = "RATE", value_parser = rate)]
        fps: Option<f64>,
        /// Threads.
        #[arg(long, default_value_t = default_workers(), value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        workers: u16,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Statistics of every feature and dimension, from all rows, with true quantiles.
    Stats {
        #[command(flatten)]
        source: SourceArgs,
        #[command(flatten)]
        config: ConfigArgs,
        /// Only the episodes of this split.
        #[arg(long)]
        split: Option<String>,
        /// Decode all pictures too.
        #[arg(long)]
        pictures: bool,
        /// Also write them to this file, as LeRobot's `meta/stats.json`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a dataset in another format. An interrupted conversion goes on when it is called again.
    Convert(ConvertArgs),
    /// Sample training clips, and draw them as a picture: look before you train.
    Clips(ClipsArgs),
}

/// A dataset to look at.
#[derive(Args, Clone)]
pub struct SourceArgs {
    /// A LeRobot dataset (v2.1 or v3.0), a folder of videos, or a folder of frame folders.
    pub path: PathBuf,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
    /// Whether a broken video stops the command or is left out and listed.
    #[arg(long, value_enum, default_value = "stop", value_name = "WHAT")]
    pub on_error: OnErrorArg,
}

/// What happens when something is broken.
#[derive(Clone, Copy, ValueEnum)]
pub enum OnErrorArg {
    /// The command stops.
    Stop,
    /// It is left out and listed.
    Skip,
}

impl From<OnErrorArg> for vipra_data::OnError {
    fn from(argument: OnErrorArg) -> Self {
        match argument {
            OnErrorArg::Stop => vipra_data::OnError::Stop,
            OnErrorArg::Skip => vipra_data::OnError::Skip,
        }
    }
}

/// How to convert.
#[derive(Args)]
pub struct ConvertArgs {
    /// A dataset, a folder of videos, or a folder of frame folders.
    pub source: PathBuf,
    /// The folder to write: new, empty, or an interrupted conversion of the same source, which goes on.
    pub target: PathBuf,
    /// The format to write.
    #[arg(long, value_enum, default_value = "lerobot-v3")]
    pub to: TargetFormat,
    /// Frames a second of the result. Only pictures can be resampled.
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub fps: Option<u32>,
    /// Frames a second of frame folders, if it differs from --fps.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub source_fps: Option<f64>,
    /// Whether a broken video stops the conversion or is left out and listed.
    #[arg(long, value_enum, default_value = "stop", value_name = "WHAT")]
    pub on_error: OnErrorArg,
    /// Only the episodes of this split.
    #[arg(long)]
    pub split: Option<String>,
    /// Leave out everything but pictures and instructions.
    #[arg(long)]
    pub no_actions: bool,
    /// Store pictures (PNG) instead of videos.
    #[arg(long)]
    pub images: bool,
    /// The codec of videos: av1, h264, hevc, vp9. Without any of these three, videos of LeRobot v2.1 are taken over as
    /// they are, and all others become av1.
    #[arg(long, value_name = "CODEC", value_parser = codec, conflicts_with = "images")]
    pub codec: Option<vipra_data::video::VideoCodec>,
    /// Frames from one key frame to the next [default: 2].
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "images")]
    pub gop: Option<u32>,
    /// Constant rate factor: 0 is best [default: 30].
    #[arg(long, value_name = "CRF", value_parser = clap::value_parser!(u32).range(..=63), conflicts_with = "images")]
    pub crf: Option<u32>,
}

/// Formats that can be written.
#[derive(Clone, Copy, ValueEnum)]
pub enum TargetFormat {
    /// LeRobot v3.0.
    LerobotV3,
}

/// Which clips to draw.
#[derive(Args)]
pub struct ClipsArgs {
    /// Datasets to sample from, in place of the configuration's sources.
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
    /// The camera, where a dataset has several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Only the episodes of this split.
    #[arg(long)]
    pub split: Option<String>,
    /// Number of clips.
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub count: usize,
    /// The epoch to sample.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub epoch: u64,
    /// Draw the clips, one a row; frames past an episode's end are dark.
    #[arg(long, value_name = "PNG", value_parser = |name: &str| file_named(name, "png"))]
    pub contact_sheet: Option<PathBuf>,
    /// A run folder to write: the resolved configuration, the contact sheet, and `clips.json`, which lists the clips.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
}

fn default_workers() -> u16 {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().min(256) as u16)
}

/// A file to write, whose name says what it will be.
fn file_named(name: &str, extension: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension)) {
        true => Ok(path),
        false => Err(format!("its name must end in .{extension}, which is what is written")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1000.0).contains(&rate) { Ok(rate) } else { Err("a rate is from 0.001 to 1000".to_owned()) }
}

fn codec(text: &str) -> Result<vipra_data::video::VideoCodec, String> {
    serde_json::from_value(text.into()).map_err(|_| "known are av1, h264, hevc, vp9".to_owned())
}
