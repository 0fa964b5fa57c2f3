//! The model: a convolutional encoder, a codebook, a convolutional decoder (VQGAN; reference 8).

mod block;
mod config;
mod decoder;
mod encoder;
mod names;
mod vqgan;

pub use block::{ActivatedNorm, ResidualBlock};
pub use config::VqganConfig;
pub use decoder::{Decoder, DecoderLevel};
pub use encoder::{Encoder, EncoderLevel};
pub use names::{is_reference, reference_names, reference_weights};
pub use vqgan::{Quantized, Reconstruction, Vqgan};
