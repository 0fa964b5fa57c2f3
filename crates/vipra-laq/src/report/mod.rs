//! Whether latent actions are any good: the quality report of a trained model, on held-out episodes.

mod codes;
mod examples;
mod page;
mod probe;
mod probe_rows;
mod selection;
mod study;

use serde::Serialize;

pub use codes::{CodeStatistics, PositionStatistics};
pub use examples::{Example, ExampleKind, animation};
pub use probe::{ProbeResult, ridge_r2};
pub use study::{Study, StudyConfig};

/// Everything the report says; what a script reads.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Fingerprint of the model.
    pub model: String,
    /// Parameters of the model.
    pub parameters: usize,
    /// Time of a transition, in seconds.
    pub interval_secs: f64,
    /// Held-out episodes.
    pub episodes: usize,
    /// Reconstruction, by the hard path.
    pub reconstruction: Reconstruction,
    /// Use of the codes.
    pub codes: CodeStatistics,
    /// From codes to true actions, where there are any.
    pub probe: Option<Vec<ProbeResult>>,
    /// Rows of the probe: learned from, tested on.
    pub probe_rows: [usize; 2],
    /// Frames rebuilt, and codes of one clip on the first frame of another.
    #[serde(rename = "pictures")]
    pub examples: Vec<Example>,
}

/// Reconstruction of held-out frames, and the thresholds that say what moves.
#[derive(Debug, Clone, Serialize)]
pub struct Reconstruction {
    /// A pixel moves if a colour changes by more than this, in [0, 1].
    pub motion_threshold: f32,
    /// A transition moves if at least this share of its pixels does.
    pub moving_share: f64,
    /// Numbers by name, as a validation of the training loop gives them.
    pub numbers: serde_json::Map<String, serde_json::Value>,
    /// 95 % interval (Wilson) of the share of moving transitions rebuilt nearer to the next frame.
    pub nearer_to_next_interval: [f64; 2],
}

impl Report {
    /// The page, self-contained.
    pub fn to_html(&self) -> String {
        page::render(self)
    }

    /// A number of the reconstruction.
    pub fn number(&self, name: &str) -> f64 {
        self.reconstruction.numbers.get(name).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN)
    }
}
