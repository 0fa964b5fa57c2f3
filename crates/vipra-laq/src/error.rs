//! The one error type of this crate.

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid configuration; every fault is listed.
    #[error("{0}")]
    Invalid(String),
    /// Halving the patch grid repeatedly never gives this number of codes.
    #[error(
        "`code_length` is {code_length}, but a grid of {}×{} patches can be brought down to {fitting:?} codes",
        grid[0],
        grid[1]
    )]
    CodeLength {
        /// Codes asked for, per transition.
        code_length: usize,
        /// Rows and columns of patches.
        grid: [usize; 2],
        /// Code lengths that would fit.
        fitting: Vec<usize>,
    },
    /// Frames or codes of another size than the model's.
    #[error("{what} is {found:?}, but the model takes {expected}")]
    Size {
        /// The tensor.
        what: &'static str,
        /// What the model takes.
        expected: String,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] vipra_data::Error),
    /// The held-out data could not be opened. The cause is part of the message, and so not a source as well.
    #[error("what is held out (`data.validation`): {0}")]
    HeldOut(vipra_data::Error),
    /// The run failed.
    #[error(transparent)]
    Train(#[from] vipra_train::Error),
    /// A picture that a page cannot show.
    #[error(transparent)]
    Picture(#[from] vipra_page::Error),
    /// A shared block refused its configuration or its weights.
    #[error(transparent)]
    Block(#[from] vipra_nn::Error),
}
