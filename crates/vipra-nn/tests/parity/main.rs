//! Agreement with golden tensors of the reference implementation.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

mod blocks;
mod device;
mod golden;
mod hash_weights;
mod lpips;
mod raft;
mod raft_small;
mod st_transformer;
