//! Robot datasets and videos to training clips.
//!
//! Readers of LeRobot datasets (v2.1, v3.0), of folders of videos and of frame folders, behind one trait, [`Source`]; a
//! crash-safe [writer](writer) of LeRobot v3.0; [clips](clip) of frames a fixed time apart, the same for any number of
//! threads; image operations that agree with torchvision's, OpenCV's and PIL's; statistics and normalisation.
//!
//! This crate uses no tensor framework and no other crate of the workspace: it deals in plain arrays and bytes, and works
//! alone.

pub mod check;
pub mod clip;
pub mod config;
pub mod contact_sheet;
pub mod convert;
mod error;
mod feature;
mod frame;
pub mod labels;
pub mod normalize;
mod parquet_file;
pub mod picture;
mod rows;
pub mod source;
mod spread;
pub mod stats;
pub mod video;
pub mod writer;

pub use config::{DataConfig, OnError, SourceConfig};
pub use error::{Error, Result};
pub use feature::{DType, Feature, Features};
pub use frame::{Frame, MAX_PIXELS};
pub use rows::{Column, Rows, Values};
pub use source::{Description, Episode, Layout, OpenOptions, Skipped, Source, open};
pub use spread::spread_over_tasks;
