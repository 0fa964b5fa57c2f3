//! Frames and sentences as discrete tokens (stage 2).
//!
//! [`VqganConfig`] → [`Vqgan`]: an encoder maps a frame to a grid of vectors, each of which is replaced by the nearest code of
//! a codebook, and a decoder rebuilds the frame from these codes. [`train`] makes it a stage of the shared training loop,
//! which the reference lacks; weights of the reference can be imported ([`reference_weights`]). [`cache`] stores the tokens
//! of a dataset's frames in a memory-mapped file. [`text`] turns sentences into tokens.
//!
//! Datasets and checkpoints are read through `vipra-data` and `vipra-train`; command-line flags are not known here.

pub mod cache;
mod error;
mod model;
pub mod reconstruct;
pub mod text;
pub mod train;
mod trained;

pub use cache::{CacheInfo, CachedEpisode, EncodeConfig, TokenCache, encode_dataset};
pub use error::{Error, Result};
pub use model::{
    ActivatedNorm, Decoder, DecoderLevel, Encoder, EncoderLevel, Quantized, Reconstruction, ResidualBlock, Vqgan,
    VqganConfig, is_reference, reference_names, reference_weights,
};
pub use text::{TextConfig, TextTokenizer};
pub use trained::{Description, TrainedTokenizer};
