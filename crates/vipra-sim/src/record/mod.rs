//! What experts do, as LeRobot datasets and as videos.

mod dataset;
mod episode;
mod nudge;
mod video;

pub use dataset::{CAMERA, Recorded, Recording, evaluation_seed, is_recorded, record, recording_seed};
pub use episode::{Played, play};
pub use video::{save_video, video_kinds};
