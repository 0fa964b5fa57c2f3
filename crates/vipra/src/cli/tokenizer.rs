//! Flags of `vipra tokenizer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::{DatasetsArgs, ModelArgs, TrainArgs};
use super::parsers::rate;
use crate::config::ConfigArgs;

/// Commands on frame tokens.
#[derive(Subcommand)]
pub enum TokenizerCommand {
    /// Train a frame tokenizer on videos. An interrupted run resumes.
    Train(TrainArgs),
    /// Turn every frame of a dataset into tokens. Resumes.
    Encode(EncodeArgs),
    /// Evaluate reconstruction on held-out frames: PSNR, codes in use, and pictures.
    Reconstruct(ReconstructArgs),
    /// Convert the weights of the published VQGAN.
    Import(ImportArgs),
}

/// What to encode.
#[derive(Args)]
pub struct EncodeArgs {
    /// A LeRobot dataset, a folder of videos, or a folder of frame folders.
    pub dataset: PathBuf,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The folder of tokens to write.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Only this split, or a range of episodes such as `0:100`.
    #[arg(long)]
    pub split: Option<String>,
    /// The camera, if there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
}

/// What to rebuild.
#[derive(Args)]
pub struct ReconstructArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub datasets: DatasetsArgs,
    /// The folder of pictures to write: true frames above, reconstructed ones below.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Maximum number of frames to evaluate on.
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub frames: u32,
    /// Number of pictures to write, of eight frames each.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub strips: u16,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to take over.
#[derive(Args)]
pub struct ImportArgs {
    /// The published VQGAN's weights as safetensors, with its parameter names.
    pub weights: PathBuf,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The weights file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
