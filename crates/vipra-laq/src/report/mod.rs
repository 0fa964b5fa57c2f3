//! The quality report of a trained model, on held-out episodes: are its latent actions any good?

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
pub use probe::ProbeResult;
pub use study::{Study, StudyConfig};

/// Contents of the report, also written as JSON.
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
    /// Reconstruction from quantised codes.
    pub reconstruction: ReconstructionReport,
    /// Use of the codes.
    pub codes: CodeStatistics,
    /// Prediction of the true actions from the codes, if there are actions.
    pub probe: Option<Vec<ProbeResult>>,
    /// Rows of the probe: training rows, test rows.
    pub probe_rows: [usize; 2],
    /// Rebuilt frames, and codes of one clip applied to the first frame of another.
    #[serde(rename = "pictures")]
    pub examples: Vec<Example>,
}

/// Reconstruction of held-out frames, and the thresholds for motion.
#[derive(Debug, Clone, Serialize)]
pub struct ReconstructionReport {
    /// A pixel moves if a colour changes by more than this, in [0, 1].
    pub motion_threshold: f32,
    /// A transition moves if at least this share of its pixels does.
    pub moving_share: f64,
    /// Numbers by name, as in a validation of the training loop.
    pub numbers: serde_json::Map<String, serde_json::Value>,
    /// 95 % interval (Wilson) of the share of moving transitions rebuilt nearer to the next frame.
    pub nearer_to_next_interval: [f64; 2],
}

impl Report {
    /// The report as a self-contained page.
    pub fn to_html(&self) -> String {
        page::render(self)
    }

    /// A number of the reconstruction; NaN if there is none of this name.
    pub fn number(&self, name: &str) -> f64 {
        self.reconstruction.numbers.get(name).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN)
    }
}
