//! Flags of `vipra laq`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::ConfigArgs;

/// Commands on latent actions.
#[derive(Subcommand)]
pub enum LaqCommand {
    /// Learn latent actions from videos. An interrupted run goes on when it is called again.
    Train(TrainArgs),
}

/// What to learn from.
#[derive(Args)]
pub struct TrainArgs {
    /// Datasets to learn from, in place of the configuration's sources. Where a dataset has splits `train` and `val`,
    /// these are learned from and held out; of others, one episode in twenty is held out, the last ones.
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Frames a second, for frame folders (which carry no rate).
    #[arg(long, value_name = "RATE", value_parser = super::rate)]
    pub fps: Option<f64>,
    /// The camera, where a dataset has several.
    #[arg(long)]
    pub camera: Option<String>,
    /// The run folder: configuration, metrics, checkpoints.
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// The device that computes.
    #[arg(long, default_value = "flex", value_name = "NAME")]
    pub device: String,
}
