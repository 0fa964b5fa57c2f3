//! Flags of `vipra laq`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vipra_data::labels::Shard;

use super::common::{DatasetsArgs, ModelArgs, TrainArgs};
use super::parsers::{file_named, rate};

/// Commands on latent actions.
#[derive(Subcommand)]
pub enum LaqCommand {
    /// Train a latent action model on videos. An interrupted run resumes.
    Train(TrainArgs),
    /// Label each frame of a dataset with the latent actions of the transitions that follow. Resumes.
    Label(LabelArgs),
    /// Evaluate a model on held-out episodes, and write a page of numbers and pictures.
    Report(ReportArgs),
    /// Transfer motion: apply the latent actions of clip A to the first frame of clip B.
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
    /// Number of transitions to label after each frame.
    #[arg(long, default_value_t = 14, value_name = "H", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub horizon: u16,
    /// Only this split, or a range of episodes such as `0:100`.
    #[arg(long)]
    pub split: Option<String>,
    /// The camera, if there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
    /// Label one part only, to share the work among processes: `0/4` to `3/4`.
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
    #[arg(long, value_name = "HTML", value_parser = |name: &str| file_named(name, "html"))]
    pub out: PathBuf,
    /// The feature that holds the true actions.
    #[arg(long, default_value = "action", value_name = "NAME")]
    pub action: String,
    /// Number of pictures of each kind.
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub examples: usize,
}

/// Between what to transfer.
#[derive(Args)]
pub struct TransferArgs {
    /// Where the motion comes from: a video, or an episode as DATASET#EPISODE; append @SECONDS to say where it begins.
    pub from: String,
    /// Where it is applied, written as A; only its first frame is used.
    pub to: String,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The camera, if there are several.
    #[arg(long)]
    pub camera: Option<String>,
    /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
    /// Number of transitions [default: as many as the model was trained on].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub transitions: Option<u16>,
    /// The GIF to write: clip A on the left, B moved by the latent actions of A on the right.
    #[arg(long, value_name = "GIF", value_parser = |name: &str| file_named(name, "gif"))]
    pub out: PathBuf,
}

fn shard(text: &str) -> Result<Shard, String> {
    let parsed = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parsed {
        Some((index, count)) if index < count => Ok(Shard { index, count }),
        _ => Err("a shard is like 0/4, counted from 0".to_owned()),
    }
}
