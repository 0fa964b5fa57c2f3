//! The one error type of this crate.
//!
//! Every variant names the path it speaks of, last in its message. Where an episode is known, the error is wrapped in
//! [`Error::Episode`], so that the reader of a log learns which episode of which file is at fault.

use std::path::{Path, PathBuf};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a dataset on disk and a training clip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{error}: {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said. Part of the message, and therefore not a source of its own.
        error: std::io::Error,
    },
    /// Neither a LeRobot dataset nor a folder of videos or frames.
    #[error("{reason}: {}", path.display())]
    UnknownLayout {
        /// What was looked for.
        reason: String,
        /// The folder.
        path: PathBuf,
    },
    /// A dataset version that is not read.
    #[error("dataset version {version:?} is not supported (LeRobot v2.1 and v3.0 are): {}", path.display())]
    UnsupportedVersion {
        /// As written in the metadata.
        version: String,
        /// The metadata file.
        path: PathBuf,
    },
    /// A metadata file is malformed or contradicts itself.
    #[error("{}{reason}: {}", of_field(field), path.display())]
    Metadata {
        /// The field, or the row and column.
        field: String,
        /// What is wrong with it.
        reason: String,
        /// The metadata file.
        path: PathBuf,
    },
    /// A path in the metadata leads out of the dataset's folder.
    #[error("path {expanded:?} leads out of the dataset: {}", root.display())]
    PathEscapes {
        /// The path after its variables were filled in.
        expanded: String,
        /// The dataset's folder.
        root: PathBuf,
    },
    /// A Parquet file that cannot be read or written.
    #[error("{reason}: {}", path.display())]
    Parquet {
        /// What the Parquet reader said.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A column is missing or has another type than the metadata says.
    #[error("feature `{feature}`: {reason}: {}", path.display())]
    Column {
        /// The feature.
        feature: String,
        /// What was expected and what was found.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The rows of an episode disagree with the metadata.
    #[error("{reason}: {}", path.display())]
    Rows {
        /// The disagreement.
        reason: String,
        /// The file that holds the rows.
        path: PathBuf,
    },
    /// Timestamps are not `frame_index / fps`.
    #[error("timestamp of frame {frame} is {found_secs:.4} s, expected {expected_secs:.4} s: {}", path.display())]
    Timestamp {
        /// Frame within the episode.
        frame: usize,
        /// From the row.
        found_secs: f64,
        /// From the frame's number and the rate.
        expected_secs: f64,
        /// The file that holds the rows.
        path: PathBuf,
    },
    /// A NaN or an infinity.
    #[error("feature `{feature}` is {value} in frame {frame}: {}", path.display())]
    NonFinite {
        /// The feature.
        feature: String,
        /// Frame within the episode.
        frame: usize,
        /// The offending value.
        value: f64,
        /// The file that holds the rows.
        path: PathBuf,
    },
    /// A video that cannot be opened, decoded or encoded.
    #[error("{reason}: {}", path.display())]
    Video {
        /// What FFmpeg said and when.
        reason: String,
        /// The video.
        path: PathBuf,
    },
    /// The video has no frame at the time that was asked for.
    #[error("no frame at {wanted_secs:.4} s (the nearest is at {nearest_secs:.4} s): {}", path.display())]
    FrameTime {
        /// The time asked for, from the start of the video file.
        wanted_secs: f64,
        /// The time of the nearest frame.
        nearest_secs: f64,
        /// The video.
        path: PathBuf,
    },
    /// A still picture that cannot be decoded.
    #[error("{reason}: {}", path.display())]
    Picture {
        /// What the decoder said.
        reason: String,
        /// The picture, or the Parquet file that holds it.
        path: PathBuf,
    },
    /// A picture or a video larger than this crate is willing to decode.
    #[error("{width}×{height} pixels exceed the limit of {limit} pixels: {}", path.display())]
    TooLarge {
        /// Pixels.
        width: u64,
        /// Pixels.
        height: u64,
        /// The limit, in pixels.
        limit: u64,
        /// The file.
        path: PathBuf,
    },
    /// Something was asked for by a name that does not exist.
    #[error("no {what} named `{name}` ({}): {}", listed(known), path.display())]
    NoSuch {
        /// Camera, feature, split, …
        what: &'static str,
        /// The name asked for.
        name: String,
        /// The names that exist, sorted.
        known: Vec<String>,
        /// The dataset.
        path: PathBuf,
    },
    /// An episode or a time outside of the dataset.
    #[error("{reason}: {}", path.display())]
    OutOfRange {
        /// What was asked for and what there is.
        reason: String,
        /// The dataset.
        path: PathBuf,
    },
    /// A feature is to be normalised, but has no statistics.
    #[error("feature `{feature}` has no {missing}: compute statistics, or say `identity` for it")]
    MissingStatistics {
        /// The feature.
        feature: String,
        /// "statistics", or the statistic that is missing.
        missing: String,
    },
    /// Values do not have the number of dimensions that was declared.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// Whose size.
        what: String,
        /// As declared.
        expected: usize,
        /// As found.
        found: usize,
    },
    /// A configuration or a call that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Any of the above, while an episode was read or written.
    #[error("episode {episode}: {error}")]
    Episode {
        /// Number of the episode.
        episode: usize,
        /// What happened. Part of the message, and therefore not a source of its own.
        error: Box<Error>,
    },
}

impl Error {
    /// An operating system error at `path`.
    pub fn io(path: impl AsRef<Path>, error: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_path_buf(), error }
    }

    pub(crate) fn parquet(path: &Path, reason: impl std::fmt::Display) -> Self {
        Error::Parquet { reason: reason.to_string(), path: path.to_path_buf() }
    }

    pub(crate) fn metadata(path: &Path, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::Metadata { field: field.into(), reason: reason.into(), path: path.to_path_buf() }
    }

    /// A file of metadata that is no JSON, or whose content is not what is expected.
    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        let reason = match error.is_data() {
            true => error.to_string(),
            false => format!("not valid JSON ({error})"),
        };
        Error::metadata(path, WHOLE_FILE, reason)
    }

    pub(crate) fn column(path: &Path, feature: &str, reason: impl Into<String>) -> Self {
        Error::Column { feature: feature.to_owned(), reason: reason.into(), path: path.to_path_buf() }
    }

    pub(crate) fn rows(path: &Path, reason: impl Into<String>) -> Self {
        Error::Rows { reason: reason.into(), path: path.to_path_buf() }
    }

    pub(crate) fn video(path: &Path, doing: &str, error: impl std::fmt::Display) -> Self {
        Error::Video { reason: format!("{doing}: {error}"), path: path.to_path_buf() }
    }

    /// The episode that was being read or written, if known.
    pub fn episode(&self) -> Option<usize> {
        match self {
            Error::Episode { episode, .. } => Some(*episode),
            _ => None,
        }
    }
}

/// What stands for the field where none is known.
const WHOLE_FILE: &str = "(whole file)";

/// Names a field, if one is known, ahead of what is wrong with it.
fn of_field(field: &str) -> String {
    if field == WHOLE_FILE { String::new() } else { format!("metadata field `{field}`: ") }
}

/// "there is: a, b", or "there is none".
fn listed(known: &[String]) -> String {
    if known.is_empty() { "there is none".to_owned() } else { format!("there is: {}", known.join(", ")) }
}

/// Names the episode in an error, once.
pub(crate) trait InEpisode<T> {
    fn in_episode(self, episode: usize) -> Result<T>;
}

impl<T> InEpisode<T> for Result<T> {
    fn in_episode(self, episode: usize) -> Result<T> {
        self.map_err(|error| match error {
            Error::Episode { .. } => error,
            other => Error::Episode { episode, error: Box::new(other) },
        })
    }
}
