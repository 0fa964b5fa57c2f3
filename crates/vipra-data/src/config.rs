//! The configuration of everything in this crate: one section, `data`, of a run's configuration.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clip::{ClipConfig, LoaderConfig};
use crate::error::Result;
use crate::normalize::NormalizationConfig;
use crate::picture::{AugmentConfig, ImageConfig};
use crate::source::{OpenOptions, Source, open};

/// Which data a run learns from, and how it becomes clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Seed of the order of clips and of augmentation.
    pub seed: u64,
    /// What to do about a broken episode. Tokens and labels cover whole datasets: an episode that opens but cannot be decoded
    /// stops them in either case.
    pub on_error: OnError,
    /// With `on_error = "skip"`: the run stops when clips of more episodes than this were skipped.
    pub skip_limit: usize,
    /// How far a frame of a LeRobot video may be from the time of its row, in seconds (lerobot: 1e-4).
    #[schemars(range(min = 0.0))]
    pub tolerance_secs: f64,
    /// How long clips are and how far apart their frames.
    pub clip: ClipConfig,
    /// The pictures that the model sees.
    pub image: ImageConfig,
    /// Random changes of training pictures.
    pub augmentation: AugmentConfig,
    /// How numbers are brought to a common scale.
    pub normalization: NormalizationConfig,
    /// Threads and memory.
    pub loader: LoaderConfig,
    /// Datasets and folders of videos, mixed by weight.
    pub sources: Vec<SourceConfig>,
    /// Datasets that are held out: nothing is learned from them, but results are measured on them.
    pub validation: Vec<SourceConfig>,
}

impl Default for DataConfig {
    fn default() -> Self {
        DataConfig {
            seed: 0,
            on_error: OnError::default(),
            skip_limit: 100,
            tolerance_secs: 1e-4,
            clip: ClipConfig::default(),
            image: ImageConfig::default(),
            augmentation: AugmentConfig::default(),
            normalization: NormalizationConfig::default(),
            loader: LoaderConfig::default(),
            sources: Vec::new(),
            validation: Vec::new(),
        }
    }
}

/// One dataset of a mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Its folder: a LeRobot dataset, videos, or frame folders.
    pub path: PathBuf,
    /// Its share of the clips, relative to the other sources' weights.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub weight: f64,
    /// The camera, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// A split of its metadata, such as `train`, or a half-open range of episodes, such as `0:100`; all episodes otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Frames per second of frame folders. Videos are resampled to it where it is set, in place of their own rate; LeRobot
    /// datasets carry theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub fps: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl SourceConfig {
    /// All episodes of the dataset at `path`, with weight one.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SourceConfig { path: path.into(), weight: 1.0, camera: None, split: None, fps: None }
    }
}

/// What happens when an episode is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The run stops.
    #[default]
    Stop,
    /// It is left out, counted and listed in the summary.
    Skip,
}

impl DataConfig {
    /// Opens a dataset as this configuration says. `progress` is called with (done, all) while files are looked at.
    ///
    /// # Errors
    /// Whatever keeps it from being opened.
    pub fn open(&self, source: &SourceConfig, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Box<dyn Source>> {
        let options =
            OpenOptions { fps: source.fps, tolerance_secs: self.tolerance_secs, on_error: self.on_error, progress };
        open(&source.path, &options)
    }

    /// What the types cannot say; every fault as (key, what is wrong).
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut outside = |key: &str, value: usize, range: std::ops::RangeInclusive<usize>| {
            if !range.contains(&value) {
                let reason = format!("{value} is not from {} to {}", range.start(), range.end());
                faults.push((key.to_owned(), reason));
            }
        };
        outside("clip.frames", self.clip.frames, 1..=4096);
        outside("clip.min_real_frames", self.clip.min_real_frames, 1..=4096);
        outside("image.width", self.image.width, 1..=8192);
        outside("image.height", self.image.height, 1..=8192);
        outside("loader.workers", self.loader.workers, 1..=256);
        outside("loader.prefetch", self.loader.prefetch, 1..=1024);
        if !(self.clip.interval_secs.is_finite() && self.clip.interval_secs > 0.0) {
            faults.push(("clip.interval_secs".into(), format!("{} is not a time", self.clip.interval_secs)));
        }
        if !self.sources.is_empty() && self.sources.iter().all(|source| source.weight == 0.0) {
            faults.push(("sources".into(), "every weight is 0".into()));
        }
        if self.clip.min_real_frames > self.clip.frames {
            let reason =
                format!("{} are more than the {} frames of a clip", self.clip.min_real_frames, self.clip.frames);
            faults.push(("clip.min_real_frames".into(), reason));
        }
        if self.loader.open_decoders < self.loader.workers {
            let reason = format!("{} for {} workers: each needs one", self.loader.open_decoders, self.loader.workers);
            faults.push(("loader.open_decoders".into(), reason));
        }
        faults
    }
}
