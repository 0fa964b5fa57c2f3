//! The one error type of this crate.

use std::io;
use std::path::PathBuf;

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a network and a policy. What a client may be told names no path: those variants are
/// of starting the server alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message that is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// A part of a request that is not taken.
    #[error("`{field}`: {reason}")]
    Refused {
        /// The part.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More requests wait than may.
    #[error("too many requests are waiting")]
    Busy,
    /// The server is about to end.
    #[error("the server is stopping")]
    Stopping,
    /// What failed stands in the server's log.
    #[error("the policy failed")]
    PolicyFailed,
    /// The policy cannot be used: its first inference failed.
    #[error("the policy's first inference failed")]
    WarmUp(#[source] vipra_control::Error),
    /// The policy panicked in its first inference, or its thread could not be started.
    #[error("the policy's first inference failed: {0}")]
    NeverReady(String),
    /// Options that make no sense or are not safe.
    #[error("{0}")]
    Options(String),
    /// A file with a token that cannot be used.
    #[error("{reason}: {}", path.display())]
    Token {
        /// What is wrong with it.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{action}: {error}")]
    Network {
        /// What was tried.
        action: String,
        /// What the system said. Part of the message, and therefore not a source of its own.
        error: io::Error,
    },
}

impl Error {
    /// A part of a request is not taken.
    pub(crate) fn refused(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { field: field.into(), reason: reason.into() }
    }

    /// The operating system refused an action.
    pub(crate) fn network(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |error| Self::Network { action, error }
    }
}
