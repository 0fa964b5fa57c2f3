//! Flags that several commands have in common.

use std::path::PathBuf;

use clap::Args;

use super::parsers::rate;
use crate::config::ConfigArgs;

/// What to learn from, and where what comes of it goes.
#[derive(Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub datasets: DatasetsArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The run folder to write: configuration, metrics, checkpoints, and copies of the models that training depends on.
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Datasets with what is learned from and what is held out.
#[derive(Args, Default)]
pub struct DatasetsArgs {
    /// Datasets, in place of those of the configuration or of the model's run. Splits `train` and `val` are trained on and held
    /// out; without `val`, the last twentieth of `train` or, without that too, of all episodes is held out.
    pub paths: Vec<PathBuf>,
    /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
    #[arg(long, value_name = "RATE", value_parser = rate, requires = "paths")]
    pub fps: Option<f64>,
    /// The camera, if there are several.
    #[arg(long, requires = "paths")]
    pub camera: Option<String>,
}

/// A trained model.
#[derive(Args)]
pub struct ModelArgs {
    /// The run folder of the model, one of its checkpoints, or a weights file.
    #[arg(long, value_name = "PATH")]
    pub model: PathBuf,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Where tensors live.
#[derive(Args, Clone)]
pub struct DeviceArgs {
    /// The device to compute on; `vipra info` lists those there are.
    #[arg(long, default_value = "flex", value_name = "NAME")]
    pub device: String,
}
