//! Frames and sentences as discrete tokens (stage 2).
//!
//! [`VqganConfig`] → [`Vqgan`]: an encoder brings a frame down to a grid of vectors, a codebook names the nearest code of
//! each, a decoder rebuilds the frame from the names. [`train`] makes a stage of the shared training loop of it, which the
//! reference lacks; weights of the reference can be taken over ([`reference_weights`]). [`cache`] keeps the tokens of a
//! dataset's frames on disk, mapped into memory when they are read. [`text`] turns sentences into tokens.
//!
//! Of files this crate knows datasets and checkpoints, by `vipra-data` and `vipra-train`; of flags nothing.

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
