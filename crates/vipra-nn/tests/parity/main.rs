//! Agreement with golden tensors of the reference implementation.

mod blocks;
mod golden;
mod st_transformer;
