//! Agreement with golden tensors of the reference implementation.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

#[path = "../../../vipra-nn/tests/parity/golden.rs"]
mod golden;
mod layout;
mod policy;
mod transformer;
