//! Perceptual loss: distance of two pictures in the features of a trained network.

mod config;
mod lpips;
mod own;
mod vgg;

pub use config::PerceptualConfig;
pub use lpips::{Lpips, LpipsConfig};
pub use own::OwnFeatures;
pub use vgg::{LPIPS_NAMES, Vgg};
