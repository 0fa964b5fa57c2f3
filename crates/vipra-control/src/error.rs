//! The one error type of this crate.

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a robot and a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An observation that the policy does not take; the next one may be fine.
    #[error("`{field}`: {reason}")]
    Observation {
        /// Which part of it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The policy itself failed.
    #[error("the policy failed: {0}")]
    Policy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Chunks or executions that make no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// An observation is refused.
    pub fn observation(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Observation { field, reason: reason.into() }
    }
}
