//! Flags that several commands have in common.

use std::path::PathBuf;

use clap::Args;

use crate::config::ConfigArgs;

/// What to learn from, and where what comes of it goes.
#[derive(Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub datasets: DatasetsArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The run folder: configuration, metrics, checkpoints, and the models that go with what is learned.
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// Datasets with what is learned from and what is held out.
#[derive(Args, Default)]
pub struct DatasetsArgs {
    /// Datasets, in place of those of the configuration or of the model's run. Where a dataset has splits `train` and `val`,
    /// these are learned from and held out; of others, one episode in twenty is held out, the last ones.
    pub paths: Vec<PathBuf>,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[arg(long, value_name = "RATE", value_parser = super::rate, requires = "paths")]
    pub fps: Option<f64>,
    /// The camera, where a dataset has several.
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
    /// The device that computes: see `vipra info`.
    #[arg(long, default_value = "flex", value_name = "NAME")]
    pub device: String,
}
