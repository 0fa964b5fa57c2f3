//! Flags of `vipra tokenizer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::{DatasetsArgs, ModelArgs, TrainArgs};
use crate::config::ConfigArgs;

/// Commands on frame tokens.
#[derive(Subcommand)]
pub enum TokenizerCommand {
    /// Learn to bring frames down to a few tokens and back. An interrupted run goes on when it is called again.
    Train(TrainArgs),
    /// Turn every frame of a dataset into tokens, once. Goes on when it is called again.
    Encode(EncodeArgs),
    /// Bring held-out frames down to tokens and back: how well, by how many codes, and pictures of both.
    Reconstruct(ReconstructArgs),
    /// Take over the weights of the published implementation.
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
    /// The camera, where there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[arg(long, value_name = "RATE", value_parser = super::rate)]
    pub fps: Option<f64>,
}

/// What to rebuild.
#[derive(Args)]
pub struct ReconstructArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub datasets: DatasetsArgs,
    /// The folder of pictures to write: true frames above, rebuilt ones below.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Frames to measure on, at most.
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub frames: u32,
    /// Pictures to write, of eight frames each.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub strips: u16,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to take over.
#[derive(Args)]
pub struct ImportArgs {
    /// Weights of the published implementation's VQGAN, with its names, as safetensors.
    pub weights: PathBuf,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The weights file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
