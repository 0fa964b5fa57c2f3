//! Labelling: for each frame of a dataset, the codes of the transitions that follow.
//!
//! As in the reference (3): a window of one past and `horizon` future frames around each frame, ends padded by repeating;
//! kept are the codes of the transitions from the frame on. Frames are the model's interval apart, whatever the rate of
//! the video. No frame goes through the spatial encoder more than once.

mod features;
mod labeler;

pub use labeler::{LabelConfig, Labeler, horizon_window, label_dataset};
