//! The layouts of datasets, and which of them a folder has.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{files, frame_folder, lerobot, video_folder};
use crate::error::{Error, Result};

/// The layouts that can be read. Closed on purpose: a new one makes every `match` a compile error until it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// LeRobot v2.1: a file an episode.
    LerobotV21,
    /// LeRobot v3.0: many episodes a file.
    LerobotV30,
    /// A folder of video files, one an episode.
    VideoFolder,
    /// A folder of folders of pictures, one an episode.
    FrameFolder,
}

impl Layout {
    /// The name that people read.
    pub fn title(self) -> &'static str {
        match self {
            Layout::LerobotV21 => "LeRobot v2.1 dataset",
            Layout::LerobotV30 => "LeRobot v3.0 dataset",
            Layout::VideoFolder => "folder of videos",
            Layout::FrameFolder => "folder of frame folders",
        }
    }

    /// Recognises the layout of `path`.
    ///
    /// # Errors
    /// [`Error::UnknownLayout`], [`Error::UnsupportedVersion`], or that the folder cannot be read.
    pub fn detect(path: &Path) -> Result<Self> {
        if path.join("meta").is_dir() {
            return Ok(match lerobot::Version::detect(path)? {
                lerobot::Version::V21 => Layout::LerobotV21,
                lerobot::Version::V30 => Layout::LerobotV30,
            });
        }
        if let Some(inside) = files::dataset_inside(path)? {
            let reason = format!("not a dataset, but {} inside it is", inside.display());
            return Err(Error::UnknownLayout { reason, path: path.to_path_buf() });
        }
        if path.join("meta_data").is_dir() {
            return Err(Error::UnsupportedVersion { version: "v1".into(), path: path.join("meta_data") });
        }
        if video_folder::matches(path)? {
            return frame_folder::check_no_frames_beside_videos(path).map(|()| Layout::VideoFolder);
        }
        if frame_folder::matches(path)? {
            return Ok(Layout::FrameFolder);
        }
        let reason = format!(
            "neither a LeRobot dataset (meta/info.json) nor videos ({}) nor folders of pictures ({})",
            video_folder::EXTENSIONS.join(", "),
            frame_folder::EXTENSIONS.join(", "),
        );
        Err(Error::UnknownLayout { reason, path: path.to_path_buf() })
    }
}
