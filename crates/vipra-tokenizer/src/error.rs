//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid configuration; every fault is listed.
    #[error("{0}")]
    Invalid(String),
    /// Frames of another size than the model's.
    #[error("{what} is {found:?}, but the model takes {expected}")]
    Size {
        /// What has the wrong size.
        what: &'static str,
        /// What the model takes.
        expected: String,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// A token cache that cannot be read or written, or does not match.
    #[error("{reason}: {}", path.display())]
    Cache {
        /// What is wrong with it.
        reason: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// A text tokenizer that cannot be made or read.
    #[error("{reason}: {}", path.display())]
    Text {
        /// What is wrong with it.
        reason: String,
        /// Its file.
        path: PathBuf,
    },
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] vipra_data::Error),
    /// The run failed.
    #[error(transparent)]
    Train(#[from] vipra_train::Error),
    /// A shared block refused its configuration or its weights.
    #[error(transparent)]
    Block(#[from] vipra_nn::Error),
}

impl Error {
    /// A fault of a token cache.
    pub(crate) fn cache(path: &Path, reason: impl Into<String>) -> Self {
        Self::Cache { reason: reason.into(), path: path.to_path_buf() }
    }

    /// An error of the operating system on a token cache.
    pub(crate) fn cache_io(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::cache(path, error.to_string())
    }
}
