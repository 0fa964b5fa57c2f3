//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings, policies or outcomes that do not fit together.
    #[error("{0}")]
    Invalid(String),
    /// The policy, or what it was asked.
    #[error("episode {episode} of seed {seed} ({split}): {error}")]
    Policy {
        /// What it said.
        error: vipra_control::Error,
        /// Its split.
        split: String,
        /// Its seed.
        seed: u64,
        /// Its number.
        episode: u64,
    },
    /// Executing chunks as asked makes no sense.
    #[error(transparent)]
    Control(#[from] vipra_control::Error),
    /// The simulator.
    #[error(transparent)]
    Sim(#[from] vipra_sim::Error),
    /// A video that a page cannot show.
    #[error(transparent)]
    Picture(#[from] vipra_page::Error),
    /// The outcomes belong to something else.
    #[error(
        "the folder holds an evaluation with other settings ({differs}): choose another --out, or begin that of a run anew by \
         --from evaluate: {}",
        path.display()
    )]
    HeaderMismatch {
        /// What differs.
        differs: String,
        /// The file.
        path: PathBuf,
    },
    /// A line is no outcome.
    #[error("line {line}: {reason}: {}", path.display())]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
        /// The file.
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
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |error| Self::Io { error, path: path.to_path_buf() }
    }
}
