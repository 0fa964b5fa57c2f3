//! The one error type of this crate.

use std::path::{Path, PathBuf};

use crate::checkpoint::first_of;
use crate::stage::StageError;

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system.
    #[error("{doing}: {error}: {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The error. It is part of the message, and so not a source as well.
        error: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// A checkpoint could not be written. Earlier ones are untouched.
    #[error("the checkpoint of step {step} could not be written, the ones before it are untouched: {error}")]
    CheckpointWrite {
        /// Step of the checkpoint.
        step: u64,
        /// Why.
        error: Box<Error>,
    },
    /// A checkpoint that cannot be read.
    #[error("{reason}: {}", path.display())]
    Checkpoint {
        /// What is wrong with it.
        reason: String,
        /// The checkpoint.
        path: PathBuf,
    },
    /// Weights that are not those of the wanted kind of model.
    #[error("{reason}: {}", path.display())]
    NotTrained {
        /// What is wrong with them.
        reason: String,
        /// The weights file.
        path: PathBuf,
    },
    /// A checkpoint of another configuration; the first fields that differ are listed.
    #[error("the checkpoint was made with another configuration ({}): {}", first_of(fields), path.display())]
    Configuration {
        /// "key: value in the checkpoint, value asked for".
        fields: Vec<String>,
        /// The checkpoint.
        path: PathBuf,
    },
    /// The loss or its gradient was not finite in more steps than the configuration allows.
    #[error(
        "the loss or its gradient was not finite in {count} steps (`skip_limit` is {limit}), the last of them step \
         {step}: lower `learning_rate`, or look at the data of that step"
    )]
    NotFinite {
        /// Steps that were skipped.
        count: u64,
        /// How many may be skipped.
        limit: u64,
        /// The last one.
        step: u64,
    },
    /// It was asked to stop while something was made that the training itself needs.
    #[error("stopped after step {step} of {what}; the same command goes on")]
    Interrupted {
        /// What was being made.
        what: &'static str,
        /// Steps of that so far.
        step: u64,
    },
    /// Weights do not fit, or a shared block refused its configuration.
    #[error(transparent)]
    Nn(#[from] vipra_nn::Error),
    /// An error of the stage.
    #[error("{0}")]
    Stage(StageError),
    /// An invalid configuration.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, error: std::io::Error) -> Self {
        Self::Io { doing, error, path: path.to_path_buf() }
    }
}

impl From<StageError> for Error {
    fn from(error: StageError) -> Self {
        Self::Stage(error)
    }
}
