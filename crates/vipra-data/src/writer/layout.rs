//! Where everything lies in a dataset.

use std::fs;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::source::lerobot::{Info, Value, expand};

/// Files in a folder (interfaces b.2).
const FILES_IN_CHUNK: usize = 1000;

/// The number of a file in its stream of files.
#[derive(Clone, Copy, Default)]
pub(super) struct FileNumber(pub(super) usize);

impl FileNumber {
    pub(super) fn chunk(self) -> usize {
        self.0 / FILES_IN_CHUNK
    }

    pub(super) fn file(self) -> usize {
        self.0 % FILES_IN_CHUNK
    }

    fn values(self) -> [(&'static str, Value<'static>); 2] {
        [("chunk_index", Value::Number(self.chunk() as u64)), ("file_index", Value::Number(self.file() as u64))]
    }
}

/// Where an episode lies.
pub(super) struct Placement {
    pub(super) data: FileNumber,
    pub(super) meta: FileNumber,
    pub(super) videos: IndexMap<String, VideoPlacement>,
}

/// Where a camera's part of an episode lies.
#[derive(Clone, Copy)]
pub(super) struct VideoPlacement {
    pub(super) file: FileNumber,
    pub(super) from_secs: f64,
    pub(super) to_secs: f64,
}

pub(super) fn data_path(root: &Path, info: &Info, file: FileNumber) -> Result<PathBuf> {
    expand(&info.data_path, &file.values(), root)
}

pub(super) fn video_path(root: &Path, info: &Info, camera: &str, file: FileNumber) -> Result<PathBuf> {
    let template = info.video_path.as_deref().unwrap_or_default();
    let [chunk, index] = file.values();
    expand(template, &[("video_key", Value::Text(camera)), chunk, index], root)
}

pub(super) fn episodes_path(root: &Path, file: FileNumber) -> PathBuf {
    root.join(format!("meta/episodes/chunk-{:03}/file-{:03}.parquet", file.chunk(), file.file()))
}

pub(super) fn create_folders(root: &Path) -> Result<()> {
    for folder in ["meta/episodes", "data"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    }
    Ok(())
}
