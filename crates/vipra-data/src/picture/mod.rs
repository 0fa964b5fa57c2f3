//! Still pictures: decoding, resizing, augmentation.

mod augment;
mod bilinear;
mod decode;
mod resample;
mod resize;

pub use augment::{AugmentConfig, Augmentation};
pub(crate) use decode::{decode_bytes, decode_file, encode_png, size_of_file};
pub use resize::{Fit, ImageConfig, Region, Resampling, Resizer, center_crop, short_side_size};
