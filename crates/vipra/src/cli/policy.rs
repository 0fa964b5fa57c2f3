//! Flags of `vipra pretrain`, `vipra predict`, `vipra finetune` and `vipra policy`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::common::{DeviceArgs, TrainArgs};
use super::parsers::{file_named, rate};

/// What to pretrain on; actions are not read.
#[derive(Args)]
pub struct PretrainArgs {
    #[command(flatten)]
    pub training: TrainArgs,
    /// The frame tokenizer: a run folder, one of its checkpoints, or a weights file.
    #[arg(long, value_name = "PATH")]
    pub tokenizer: PathBuf,
    /// The latent action model: a run folder, one of its checkpoints, or a weights file.
    #[arg(long, value_name = "PATH")]
    pub laq: PathBuf,
    /// Labels made by `vipra laq label`; missing ones are made. Repeatable.
    #[arg(long, value_name = "DIR")]
    pub labels: Vec<PathBuf>,
    /// Tokens made by `vipra tokenizer encode`; missing ones are made. Repeatable.
    #[arg(long, value_name = "DIR")]
    pub tokens: Vec<PathBuf>,
    /// Where labels and tokens that are made here are kept, for other runs, too [default: `cache` beside the run folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

impl PretrainArgs {
    /// Where labels and tokens are kept.
    pub fn cache_folder(&self) -> PathBuf {
        cache_folder(self.cache.as_deref(), &self.training.run)
    }
}

impl FinetuneArgs {
    /// Where tokens are kept.
    pub fn cache_folder(&self) -> PathBuf {
        cache_folder(self.cache.as_deref(), &self.training.run)
    }
}

/// The named folder, or the one beside the run's.
fn cache_folder(named: Option<&Path>, run: &Path) -> PathBuf {
    named.map_or_else(|| run.with_file_name("cache"), Path::to_path_buf)
}

/// What to imagine.
#[derive(Args)]
pub struct PredictArgs {
    /// The pretrained model: a run folder, one of its checkpoints, or a weights file.
    pub model: PathBuf,
    /// The dataset whose frames to start from.
    #[arg(long, value_name = "PATH")]
    pub dataset: PathBuf,
    /// The name of an episode [default: moments of all episodes of --split].
    #[arg(long, value_name = "NAME")]
    pub episode: Option<String>,
    /// Only this split, or a range of episodes such as `100:120`.
    #[arg(long)]
    pub split: Option<String>,
    /// The camera, if there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
    /// Number of moments to imagine from, evenly spaced.
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// Sampling temperature; 0 always takes the likeliest token.
    #[arg(long, default_value_t = 0.0, value_name = "T", value_parser = temperature)]
    pub temperature: f64,
    /// Sample from the K likeliest tokens only; 0 samples from all.
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub top_k: usize,
    /// Random seed of sampling.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// The frame tokenizer [default: the copy in the model's run folder].
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<PathBuf>,
    /// The latent action model [default: the copy in the model's run folder].
    #[arg(long, value_name = "PATH")]
    pub laq: Option<PathBuf>,
    /// The folder to write: strips and animations of each moment, and a page of them all.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// What to finetune, and on what.
#[derive(Args)]
pub struct FinetuneArgs {
    #[command(flatten)]
    pub training: TrainArgs,
    /// The pretrained model (a run folder, one of its checkpoints, or a weights file), or `scratch` for none.
    #[arg(long, value_name = "PATH")]
    pub from: PathBuf,
    /// The frame tokenizer [default: the copy in the pretrained model's run folder].
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<PathBuf>,
    /// Where tokens of augmented frames are kept, for other runs, too [default: `cache` beside the run folder].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// Commands on policies.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Describe what a policy takes and puts out, and what it was made of.
    Describe(DescribeArgs),
    /// Compare a policy's actions with those of a recorded episode, moment by moment.
    OpenLoop(OpenLoopArgs),
}

/// A policy to look at.
#[derive(Args)]
pub struct DescribeArgs {
    /// The policy package, or the run folder that it lies in.
    pub package: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to compare.
#[derive(Args)]
pub struct OpenLoopArgs {
    /// The policy package, or the run folder that it lies in.
    pub package: PathBuf,
    /// The dataset of demonstrations.
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// The name of the episode.
    #[arg(long, value_name = "NAME")]
    pub episode: String,
    /// The camera, if there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Plot true and predicted actions, one curve per dimension; the numbers are written beside it, as JSON.
    #[arg(long, value_name = "PNG", value_parser = |name: &str| file_named(name, "png"))]
    pub out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub crops: CropsArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// How closely a policy looks.
#[derive(Args, Clone, Default)]
pub struct CropsArgs {
    /// Number of crops of each frame to average over [default: as the package says]; time grows in proportion.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub crops: Option<u16>,
}

fn temperature(text: &str) -> Result<f64, String> {
    let temperature: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1000.0).contains(&temperature) {
        Ok(temperature)
    } else {
        Err("a temperature is from 0 to 1000".to_owned())
    }
}
