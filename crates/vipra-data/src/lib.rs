//! Robot datasets and videos to training clips.
//!
//! Readers of LeRobot datasets (v2.1, v3.0), of folders of videos and of frame folders, behind one trait, [`Source`]; a
//! crash-safe [writer](writer) of LeRobot v3.0; [clips](clip) of frames a fixed time apart, the same for any number of
//! threads; image operations that agree with torchvision's, OpenCV's and PIL's; statistics and normalisation.
//!
//! This crate uses no tensor framework and no other crate of the workspace: it deals in plain arrays and bytes, and works
//! alone.
//!
//! ```no_run
//! use std::sync::Arc;
//! use vipra_data::clip::{ClipDataset, ClipLoader, LoaderState};
//! use vipra_data::{DataConfig, SourceConfig};
//!
//! fn main() -> vipra_data::Result<()> {
//!     let config = DataConfig { sources: vec![SourceConfig::new("my-dataset")], ..DataConfig::default() };
//!     let dataset = Arc::new(ClipDataset::open(config, &|_done, _all| {})?);
//!     let mut loader = ClipLoader::start(dataset, LoaderState::default())?;
//!     let clip = loader.next_clip()?; // frames: [T, height, width, 3]; mask: [T]
//!     loader.recycle(clip);
//!     Ok(())
//! }
//! ```

pub mod check;
pub mod clip;
pub mod config;
pub mod contact_sheet;
pub mod convert;
mod error;
mod feature;
pub mod files;
mod frame;
pub mod labels;
pub mod normalize;
mod parquet_file;
pub mod picture;
mod rows;
mod sampling;
pub mod source;
pub mod stats;
pub mod video;
pub mod writer;

pub use config::{DataConfig, OnError, SourceConfig};
pub use error::{Error, Result};
pub use feature::{DType, Feature, Features};
pub use frame::{Frame, MAX_PIXELS};
pub use rows::{Column, Rows, Values};
pub use sampling::sample_evenly_by_task;
pub use source::{Description, Episode, Layout, OpenOptions, Skipped, Source, open};
