//! `meta/info.json` of both versions (interfaces b.2, b.11).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Result};
use crate::feature::Features;

/// The fields that are read; others are reported in the log and ignored, as the lerobot library does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// `v2.1` or `v3.0`.
    pub codebase_version: String,
    /// The robot.
    #[serde(default)]
    pub robot_type: Option<String>,
    /// Episodes, as counted by whoever wrote the file; not trusted.
    #[serde(default)]
    pub total_episodes: u64,
    /// Frames, not trusted.
    #[serde(default)]
    pub total_frames: u64,
    /// Instructions, not trusted.
    #[serde(default)]
    pub total_tasks: u64,
    /// v3.0: most files in a `chunk-*` folder; v2.1: episodes in one.
    #[serde(default = "thousand")]
    pub chunks_size: u64,
    /// v3.0: a data file is closed at this size, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_files_size_in_mb: Option<u64>,
    /// v3.0: a video file is closed at this size, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_files_size_in_mb: Option<u64>,
    /// Frames a second; some files hold `30.0`.
    pub fps: f64,
    /// Name → half-open range of episodes, as text: `"0:100"`.
    #[serde(default, deserialize_with = "as_texts")]
    pub splits: BTreeMap<String, String>,
    /// Template of the path of a data file.
    pub data_path: String,
    /// Template of the path of a video file.
    #[serde(default)]
    pub video_path: Option<String>,
    /// Everything a frame has.
    pub features: Features,
    /// Another storage than Parquet; refused.
    #[serde(default, skip_serializing)]
    pub storage_format: Option<String>,
    #[serde(flatten, skip_serializing)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

fn thousand() -> u64 {
    1000
}

/// A map of texts; what is none stands there as it is written, for whoever asks for it to be told.
fn as_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(values.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// Keys of either version that have no use here.
const IGNORED: [&str; 4] = ["total_videos", "total_chunks", "tools", "license"];

impl Info {
    /// What a new dataset begins with.
    pub fn new(robot_type: Option<String>, fps: u32, features: Features) -> Self {
        Info {
            codebase_version: "v3.0".into(),
            robot_type,
            total_episodes: 0,
            total_frames: 0,
            total_tasks: 0,
            chunks_size: 1000,
            data_files_size_in_mb: Some(100),
            video_files_size_in_mb: Some(200),
            fps: f64::from(fps),
            splits: BTreeMap::new(),
            data_path: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet".into(),
            video_path: Some("videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4".into()),
            features,
            storage_format: None,
            unknown: Default::default(),
        }
    }

    /// Reads the version alone, which says how to read the rest.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Metadata`].
    pub fn read_version(path: &Path) -> Result<String> {
        #[derive(Deserialize)]
        struct Versioned {
            codebase_version: String,
        }
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        let versioned: Versioned = serde_json::from_str(&text).map_err(|error| Error::json(path, &error))?;
        Ok(versioned.codebase_version)
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Metadata`] with the field.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Info::parse(&text, path)
    }

    /// Reads and checks the text of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Metadata`] with the field.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let info: Info = serde_json::from_str(text).map_err(|error| Error::json(path, &error))?;
        if !(info.fps.is_finite() && info.fps > 0.0) {
            return Err(Error::metadata(path, "fps", format!("{} is not a rate", info.fps)));
        }
        if info.chunks_size == 0 {
            return Err(Error::metadata(path, "chunks_size", "0 files in a folder"));
        }
        if let Some(format) = info.storage_format.as_deref().filter(|format| *format != "parquet") {
            return Err(Error::metadata(path, "storage_format", format!("{format:?} is not supported")));
        }
        for (name, feature) in &info.features {
            let huge = feature.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
            if huge.is_none_or(|values| values > 1 << 28) {
                return Err(Error::metadata(path, format!("features.{name}.shape"), format!("{:?}", feature.shape)));
            }
        }
        let mut unknown: Vec<&str> = info.unknown.keys().map(String::as_str).collect();
        unknown.retain(|key| !IGNORED.contains(key));
        if !unknown.is_empty() {
            tracing::warn!("ignoring unknown fields {unknown:?} of {}", path.display());
        }
        Ok(info)
    }

    /// The splits as ranges of episode numbers, and those that are none with what stands there.
    pub fn split_ranges(&self) -> (BTreeMap<String, Range<usize>>, BTreeMap<String, String>) {
        let parse = |text: &str| {
            let (from, to) = text.split_once(':')?;
            let range = from.trim().parse().ok()?..to.trim().parse().ok()?;
            (range.start <= range.end).then_some(range)
        };
        let (mut ranges, mut malformed) = (BTreeMap::new(), BTreeMap::new());
        for (name, text) in &self.splits {
            match parse(text) {
                Some(range) => drop(ranges.insert(name.clone(), range)),
                None => drop(malformed.insert(name.clone(), text.clone())),
            }
        }
        (ranges, malformed)
    }
}
