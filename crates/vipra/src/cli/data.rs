//! Flags of `vipra data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use vipra_data::OnError;
use vipra_data::video::VideoCodec;

use super::parsers::{file_named, rate};
use crate::config::ConfigArgs;

/// Commands on data.
#[derive(Subcommand)]
pub enum DataCommand {
    /// Summarise a dataset: episodes, seconds, rates, features, tasks.
    Inspect {
        #[command(flatten)]
        source: SourceArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check a dataset: rows against metadata, timestamps, codecs, and that every frame decodes. Exit code 1 if anything is
    /// wrong.
    Check {
        /// A LeRobot dataset (v2.1 or v3.0), a folder of videos, or a folder of frame folders.
        path: PathBuf,
        /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
        #[arg(long, value_name = "RATE", value_parser = rate)]
        fps: Option<f64>,
        /// Number of worker threads.
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
        /// Also decode all pictures, and include their statistics.
        #[arg(long)]
        pictures: bool,
        /// Also write the statistics to this file, in the format of LeRobot's `meta/stats.json`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a dataset in another format. An interrupted conversion resumes.
    Convert(ConvertArgs),
    /// Sample training clips and draw them: look before you train.
    Clips(ClipsArgs),
}

/// A dataset to look at.
#[derive(Args, Clone)]
pub struct SourceArgs {
    /// A LeRobot dataset (v2.1 or v3.0), a folder of videos, or a folder of frame folders.
    pub path: PathBuf,
    /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
    /// What to do about broken videos and episodes.
    #[arg(long, value_enum, default_value = "stop", value_name = "WHAT")]
    pub on_error: OnErrorArg,
}

/// What happens when something is broken.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum OnErrorArg {
    /// Stop the command.
    #[default]
    Stop,
    /// Skip and list them.
    Skip,
}

impl From<OnErrorArg> for OnError {
    fn from(argument: OnErrorArg) -> Self {
        match argument {
            OnErrorArg::Stop => OnError::Stop,
            OnErrorArg::Skip => OnError::Skip,
        }
    }
}

/// How to convert.
#[derive(Args)]
pub struct ConvertArgs {
    /// A dataset, a folder of videos, or a folder of frame folders.
    pub source: PathBuf,
    /// The folder to write: new, empty, or an interrupted conversion of the same source, which resumes.
    pub target: PathBuf,
    /// The format to write.
    #[arg(long, value_enum, default_value = "lerobot-v3")]
    pub to: TargetFormat,
    /// Frames per second of the result; only of data without numeric features (pictures can be resampled, rows cannot).
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub fps: Option<u32>,
    /// Frames per second of the source's frame folders, if it differs from --fps.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub source_fps: Option<f64>,
    /// What to do about broken videos and episodes.
    #[arg(long, value_enum, default_value = "stop", value_name = "WHAT")]
    pub on_error: OnErrorArg,
    /// Only the episodes of this split.
    #[arg(long)]
    pub split: Option<String>,
    /// Write only pictures and instructions.
    #[arg(long)]
    pub no_actions: bool,
    /// Store pictures (PNG) instead of videos.
    #[arg(long)]
    pub images: bool,
    /// Video codec: av1, h264, hevc or vp9. Without --codec, --gop and --crf, videos of LeRobot v2.1 are copied as they are and
    /// others become av1.
    #[arg(long, value_name = "CODEC", value_parser = codec, conflicts_with = "images")]
    pub codec: Option<VideoCodec>,
    /// Frames from one key frame to the next [default: 2].
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "images")]
    pub gop: Option<u32>,
    /// Constant rate factor: 0 is the best quality [default: 30].
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
    /// Datasets to sample from, in place of the configuration's.
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Frames per second: required for frame folders; for videos, in place of the file's own rate.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub fps: Option<f64>,
    /// The camera, if there are several.
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
    /// Draw the clips, one per row; frames past an episode's end are darkened.
    #[arg(long, value_name = "PNG", value_parser = |name: &str| file_named(name, "png"))]
    pub contact_sheet: Option<PathBuf>,
    /// A run folder to write: the resolved configuration, the contact sheet, and `clips.json`, which lists the clips.
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
}

fn default_workers() -> u16 {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().min(256) as u16)
}

fn codec(text: &str) -> Result<VideoCodec, String> {
    serde_json::from_value(text.into()).map_err(|_| "known are av1, h264, hevc, vp9".to_owned())
}
