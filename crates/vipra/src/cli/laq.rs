//! Flags of `vipra laq`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vipra_data::labels::Shard;

use super::common::{DatasetsArgs, ModelArgs, TrainArgs};

/// Commands on latent actions.
#[derive(Subcommand)]
pub enum LaqCommand {
    /// Learn latent actions from videos. An interrupted run goes on when it is called again.
    Train(TrainArgs),
    /// Label each frame of a dataset with the codes of the transitions that follow. Goes on when it is called again.
    Label(LabelArgs),
    /// Measure a model on held-out episodes, and write a page of numbers and pictures.
    Report(ReportArgs),
    /// Make what happens in one clip happen in another: the codes of A, rolled out from the first frame of B.
    Transfer(TransferArgs),
}

/// What to label.
#[derive(Args)]
pub struct LabelArgs {
    /// A LeRobot dataset, a folder of videos, or a folder of frame folders.
    pub dataset: PathBuf,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The folder of labels to write.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Transitions that follow a frame.
    #[arg(long, default_value_t = 14, value_name = "H", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub horizon: u16,
    /// Only this split, or a range of episodes such as `0:100`.
    #[arg(long)]
    pub split: Option<String>,
    /// The camera, where there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[arg(long, value_name = "RATE", value_parser = super::rate)]
    pub fps: Option<f64>,
    /// Only one of several parts, for several processes: `0/4` to `3/4`.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
}

/// What to measure on.
#[derive(Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub datasets: DatasetsArgs,
    /// The page to write; the numbers go beside it, as JSON.
    #[arg(long, value_name = "HTML", value_parser = |name: &str| super::file_named(name, "html"))]
    pub out: PathBuf,
    /// The feature that holds the true actions.
    #[arg(long, default_value = "action", value_name = "NAME")]
    pub action: String,
    /// Pictures of each kind.
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub examples: usize,
}

/// Between what to transfer.
#[derive(Args)]
pub struct TransferArgs {
    /// Where the codes come from: a video, or an episode of a dataset as DATASET#EPISODE; @SECONDS after it says when.
    pub from: String,
    /// Where they are rolled out: its first frame counts. Written as A.
    pub to: String,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The camera, where a dataset has several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames a second: of frame folders, which carry no rate, and of videos in place of their own.
    #[arg(long, value_name = "RATE", value_parser = super::rate)]
    pub fps: Option<f64>,
    /// Transitions; as many as the model was trained on, without.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub transitions: Option<u16>,
    /// The animation to write: A on the left, B as the codes of A move it on the right.
    #[arg(long, value_name = "GIF", value_parser = |name: &str| super::file_named(name, "gif"))]
    pub out: PathBuf,
}

fn shard(text: &str) -> Result<Shard, String> {
    let parsed = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parsed {
        Some((index, count)) if index < count => Ok(Shard { index, count }),
        _ => Err("a shard is like 0/4, counted from 0".to_owned()),
    }
}
