//! Optical flow: how far each pixel of one picture has moved in another, and a loss on it.
//!
//! A flow is `[pairs, 2, height, width]`, in pixels; channel 0 is the way to the right, channel 1 the way down.

mod classical;
mod consistency;
pub mod raft;
mod schedule;

pub use classical::ClassicalFlow;
pub use consistency::{FlowEstimator, flow_consistency};
pub use schedule::FlowSchedule;
