//! Agreement with golden tensors of the reference implementation.

#[path = "../../../vipra-nn/tests/parity/golden.rs"]
mod golden;
mod nsvq;
