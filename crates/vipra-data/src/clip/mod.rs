//! Clips: T frames a fixed number of seconds apart, from any mixture of sources.

mod dataset;
mod loader;
mod sampler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use dataset::{ClipDataset, ClipReader};
pub use loader::{ClipLoader, LoaderState};
pub use sampler::{ClipAddress, ClipSampler, EpochOrder};

use crate::frame::Frame;

/// How long clips are and how far apart their frames.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClipConfig {
    /// Frames of a clip, T (ViPRA's code: 8).
    #[schemars(range(min = 1, max = 4096))]
    pub frames: usize,
    /// Time from one frame to the next, in seconds, whatever the source's rate.
    #[schemars(range(min = 0.000001))]
    pub interval_secs: f64,
    /// Minimum of real frames in a clip; the others repeat the last one (published: 1).
    #[schemars(range(min = 1))]
    pub min_real_frames: usize,
}

impl Default for ClipConfig {
    fn default() -> Self {
        ClipConfig { frames: 8, interval_secs: 0.2, min_real_frames: 2 }
    }
}

/// Threads and memory of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoaderConfig {
    /// Threads that decode; the clips do not depend on it.
    #[schemars(range(min = 1, max = 256))]
    pub workers: usize,
    /// Most videos that are open at a time, over all workers.
    #[schemars(range(min = 1))]
    pub open_decoders: usize,
    /// Clips that are ready before they are asked for, for each worker.
    #[schemars(range(min = 1, max = 1024))]
    pub prefetch: usize,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        LoaderConfig { workers: 2, open_decoders: 16, prefetch: 4 }
    }
}

/// A clip, ready for a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clip {
    /// Where it comes from.
    pub address: ClipAddress,
    /// Number of the clip within its epoch.
    pub index: u64,
    /// Number of the epoch.
    pub epoch: u64,
    /// Width of a frame, in pixels.
    pub width: usize,
    /// Height of a frame, in pixels.
    pub height: usize,
    /// `[T, height, width, 3]`, RGB, 0..255.
    pub frames: Vec<u8>,
    /// `[T]`; false where the last frame of the episode is repeated.
    pub mask: Vec<bool>,
}

impl Clip {
    /// One frame, `[height, width, 3]`.
    pub fn frame(&self, at: usize) -> Frame {
        let size = self.width * self.height * 3;
        let mut frame = Frame::new(self.width, self.height);
        frame.pixels_mut().copy_from_slice(&self.frames[at * size..(at + 1) * size]);
        frame
    }
}
