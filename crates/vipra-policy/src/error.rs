//! The one error type of this crate.

use std::path::PathBuf;

use crate::layout::TokenKind;

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a dataset and a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A list of fields that no sample can be made of.
    #[error("`{fields}`: {reason}")]
    Fields {
        /// As it was written.
        fields: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A token that its vocabulary does not have.
    #[error("{sample}: token {position} is {id}, but there are {size} ids of kind {kind}")]
    Vocabulary {
        /// Whose sample.
        sample: String,
        /// Position in the sample.
        position: usize,
        /// The token.
        id: u32,
        /// Its kind.
        kind: TokenKind,
        /// Size of the vocabulary.
        size: usize,
    },
    /// A bin that its dimension does not have.
    #[error("action {action} of a chunk has bin {bin} in dimension {dimension}, whose number of bins is {bins}")]
    Bin {
        /// The action, counted from 0.
        action: usize,
        /// Its dimension.
        dimension: usize,
        /// The bin, counted from 0.
        bin: u32,
        /// Bins of the dimension.
        bins: usize,
    },
    /// A sample that does not fit into a row of a batch.
    #[error("{sample} has {length} tokens, a row only {limit} (`pretrain.sequence.length`)")]
    TooLong {
        /// Whose sample.
        sample: String,
        /// Its tokens.
        length: usize,
        /// Tokens of a row.
        limit: usize,
    },
    /// Labels or tokens that were made for something else.
    #[error("{what} {reason}: {}", path.display())]
    Mismatch {
        /// Labels or a token cache.
        what: &'static str,
        /// What differs.
        reason: String,
        /// Their folder.
        path: PathBuf,
    },
    /// Demonstrations whose actions or states are not what is wanted.
    #[error("{reason}: {}", path.display())]
    ActionSpace {
        /// What is wrong with them.
        reason: String,
        /// The dataset.
        path: PathBuf,
    },
    /// A policy package that is not whole.
    #[error("not a complete policy package ({}): {}", faults.join("; "), path.display())]
    Package {
        /// Everything that is missing or does not match.
        faults: Vec<String>,
        /// The package.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{what} failed ({reason}): {}", path.display())]
    Io {
        /// What was done.
        what: &'static str,
        /// What the system said.
        reason: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] vipra_data::Error),
    /// What a robot says or is told makes no sense.
    #[error(transparent)]
    Control(#[from] vipra_control::Error),
    /// The tokenizer refused.
    #[error(transparent)]
    Tokenizer(#[from] vipra_tokenizer::Error),
    /// The run failed.
    #[error(transparent)]
    Train(#[from] vipra_train::Error),
    /// A shared block refused its configuration or its weights.
    #[error(transparent)]
    Block(#[from] vipra_nn::Error),
}
