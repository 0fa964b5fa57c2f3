//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that keeps a report from being made. What is absent does not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder has nothing that a run leaves.
    #[error("not a run folder (no config.toml and no stages), or a single stage's folder: name the run: {}", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not what its name says.
    #[error("{reason}: {}", path.display())]
    Content {
        /// What is wrong with it.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// Outcomes, or a rollout's video.
    #[error(transparent)]
    Evaluation(#[from] vipra_eval::Error),
    /// A picture that cannot be shown.
    #[error(transparent)]
    Picture(#[from] vipra_page::Error),
    /// The operating system refused.
    #[error("{error}: {}", path.display())]
    Io {
        /// What the system said.
        error: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |error| Self::Io { error, path: path.to_path_buf() }
    }

    pub(crate) fn content(reason: impl ToString, path: &Path) -> Self {
        Self::Content { reason: reason.to_string(), path: path.to_path_buf() }
    }
}
