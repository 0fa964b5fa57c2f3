//! Flags of `vipra pretrain`, `vipra predict`, `vipra finetune` and `vipra policy`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::common::{DeviceArgs, TrainArgs};

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
    /// Labels that `vipra laq label` made; of datasets without any they are made. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub labels: Vec<PathBuf>,
    /// Tokens that `vipra tokenizer encode` made; of datasets without any they are made. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub tokens: Vec<PathBuf>,
    /// Where labels and tokens that are made are kept, for other runs too [default: the folder `cache` beside the run's].
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
    /// The dataset whose frames are looked at.
    #[arg(long, value_name = "PATH")]
    pub dataset: PathBuf,
    /// The episode, by its name; without, moments of all episodes of --split.
    #[arg(long, value_name = "NAME")]
    pub episode: Option<String>,
    /// Only this split, or a range of episodes such as `100:120`.
    #[arg(long)]
    pub split: Option<String>,
    /// The camera, where there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[arg(long, value_name = "RATE", value_parser = super::rate)]
    pub fps: Option<f64>,
    /// Moments to imagine from, spread evenly.
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// Divides scores before tokens are drawn; 0 takes the best token each time.
    #[arg(long, default_value_t = 0.0, value_name = "T", value_parser = temperature)]
    pub temperature: f64,
    /// Draws among so many of the best tokens only; among all at 0.
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub top_k: usize,
    /// Seed of what is drawn.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// The frame tokenizer, if it does not lie in the run folder of the model.
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<PathBuf>,
    /// The latent action model, if it does not lie in the run folder of the model.
    #[arg(long, value_name = "PATH")]
    pub laq: Option<PathBuf>,
    /// The folder to write: strips and animations of each moment, and a page with all of them.
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
    /// The pretrained model: a run folder, one of its checkpoints, or a weights file; or `scratch`.
    #[arg(long, value_name = "PATH")]
    pub from: PathBuf,
    /// The frame tokenizer, if it does not lie in the run folder of the pretrained model.
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<PathBuf>,
    /// Where tokens of augmented frames are kept, for other runs too [default: the folder `cache` beside the run's].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// Commands on policies.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Say what a policy sees and puts out, and what it was made of.
    Describe(DescribeArgs),
    /// Let a policy look at each moment of an episode, and compare its actions with the true ones.
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
    /// Demonstrations.
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// The episode, by its name.
    #[arg(long, value_name = "NAME")]
    pub episode: String,
    /// The camera, where there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Draw true and predicted actions, one curve a dimension; the numbers lie beside it as JSON.
    #[arg(long, value_name = "PNG", value_parser = |name: &str| super::file_named(name, "png"))]
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
    /// Crops that are seen of a frame, in place of the package's: what they say is averaged, each takes as long as the first.
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
