//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in a simulation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A robot was told to do something that is no number.
    #[error("number {at} of an action is {value}")]
    Action {
        /// Its dimension.
        at: usize,
        /// What it is.
        value: f32,
    },
    /// A recording or a video could not be written.
    #[error("{}", located(error, path))]
    Data {
        /// What is wrong.
        error: Box<vipra_data::Error>,
        /// The dataset or the video.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{error}: {}", path.display())]
    Io {
        /// What the system said.
        error: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// An expert fails so often that something is wrong.
    #[error("only {successes} of {attempts} attempts of the expert succeeded")]
    Expert {
        /// Episodes that ended well.
        successes: usize,
        /// Episodes that were played.
        attempts: usize,
    },
}

/// What is wrong, with the path unless it is named in it already.
fn located(error: &vipra_data::Error, path: &Path) -> String {
    let (reason, path) = (error.to_string(), path.display().to_string());
    if reason.contains(&path) { reason } else { format!("{reason}: {path}") }
}

impl Error {
    pub(crate) fn data(path: &Path, error: vipra_data::Error) -> Self {
        Self::Data { error: Box::new(error), path: path.to_path_buf() }
    }
}
