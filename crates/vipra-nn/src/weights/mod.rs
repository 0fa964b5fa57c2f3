//! Weights between files and modules.
//!
//! [`Weights`] are the tensors of a file by name. [`Names`] say how a module's parameters are called there. [`load`] puts
//! one into the other and lists everything that does not fit: a partly loaded model is never returned. [`save`] is its
//! inverse.

mod load;
mod names;
mod pytorch_file;
mod read;
mod safetensors_file;
mod save;
mod store;

pub use load::{load, transpose};
pub use names::{NamePath, Names, Rename};
pub use save::save;
pub use store::Weights;
