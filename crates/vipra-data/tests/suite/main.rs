//! Everything that is tested from outside of the crate, in one program: linking is what takes long.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod bad_folders;
mod bad_input;
mod broken;
mod clips;
mod common;
mod preprocess_parity;
mod real_data;
mod sources;
mod stored_pictures;
mod unasked;
mod videos;
mod writer;
