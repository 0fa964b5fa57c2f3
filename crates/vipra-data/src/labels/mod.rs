//! Latent action labels of a dataset, beside it: for each frame the codes of the transitions that follow.
//!
//! A folder with `labels.json` ([`LabelsInfo`]) and Parquet parts of some episodes each: `episode_index`, `frame_index`,
//! `timestamp` (seconds), `codes` (bytes, horizon · code_length a row, transition by transition). Parts appear whole or
//! not at all, so an interrupted labelling goes on where it was.

mod part;
mod store;

use serde::{Deserialize, Serialize};

pub use store::{LabelStore, Shard};

/// What labels say and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsInfo {
    /// Fingerprint of the model that made them.
    pub model: String,
    /// Fingerprint of the dataset.
    pub dataset: String,
    /// The camera whose frames were seen.
    pub camera: String,
    /// Episodes of the dataset that are labelled, by their numbers.
    pub episodes: Vec<usize>,
    /// Transitions that follow a frame, H.
    pub horizon: usize,
    /// Time of a transition, in seconds.
    pub interval_secs: f64,
    /// Codes of a transition.
    pub code_length: usize,
    /// Codes of the codebook; a label is below this.
    pub codes: usize,
}

impl LabelsInfo {
    /// Codes of a frame: those of all its transitions.
    pub fn codes_per_frame(&self) -> usize {
        self.horizon * self.code_length
    }
}

/// Labels of one episode.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeLabels {
    /// Number of the episode in its dataset.
    pub episode: usize,
    /// Frames a second of the episode.
    pub fps: f64,
    /// `[frames, horizon, code_length]`
    pub codes: Vec<u8>,
}
