//! Still pictures: decoding, resizing, augmentation.

mod augment;
mod bilinear;
mod decode;
mod encode;
mod resample;
mod resize;
mod strip;

pub use augment::{AugmentConfig, Augmentation};
pub(crate) use decode::{decode_bytes, decode_file, size_of_file};
pub use encode::{to_gif, to_png};
pub use resize::{Fit, ImageConfig, Region, Resampling, Resizer, center_crop, short_side_size};
pub use strip::side_by_side;
