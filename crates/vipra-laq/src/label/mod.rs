//! Labelling: for each frame of a dataset, the codes of the transitions that follow.
//!
//! As in the reference (3), each frame has a window of one past and `horizon` future frames, padded by repeating the first
//! and last frames of the episode; the codes of the transitions from the frame on are kept. Frames are the model's interval
//! apart, whatever the rate of the video. No frame goes through the spatial encoder more than once.

mod features;
mod labeler;

pub use labeler::{LabelConfig, Labeler, horizon_window, label_dataset};
