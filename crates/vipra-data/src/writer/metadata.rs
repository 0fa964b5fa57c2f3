//! `meta/info.json` and `meta/tasks.parquet`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use indexmap::IndexSet;
use serde_json::json;

use super::commit::EpisodeRecord;
use super::{DEFAULT_FEATURES, WriterOptions, columns};
use crate::error::{Error, Result};
use crate::feature::{DType, Feature};
use crate::files;
use crate::source::lerobot::Info;

/// What a new dataset is, with the features that every one has.
pub(super) fn new_info(options: &WriterOptions, root: &Path) -> Result<Info> {
    let mut features = options.features.clone();
    for (name, feature) in &mut features {
        check_writable(name, feature)?;
        if feature.dtype == DType::Video {
            let (width, height) = feature
                .picture_size()
                .ok_or_else(|| Error::Invalid(format!("feature `{name}`: a camera's shape is [height, width, 3]")))?;
            feature.info = Some(video_facts(width, height, options));
        }
    }
    for (name, dtype) in DEFAULT_FEATURES {
        let feature = Feature { dtype, shape: vec![1], names: serde_json::Value::Null, fps: None, info: None };
        features.insert(name.to_owned(), feature);
    }
    if options.fps == 0 {
        return Err(Error::Invalid(format!("0 frames a second: {}", root.display())));
    }
    let mut info = Info::new(options.robot_type.clone(), options.fps, features);
    info.data_files_size_in_mb = Some(options.data_file_size_mb);
    info.video_files_size_in_mb = Some(options.video_file_size_mb);
    if !options.features.values().any(|feature| feature.dtype == DType::Video) {
        info.video_path = None;
    }
    Ok(info)
}

fn check_writable(name: &str, feature: &Feature) -> Result<()> {
    if DEFAULT_FEATURES.iter().any(|(default, _)| *default == name) {
        return Err(Error::Invalid(format!("feature `{name}` is added by the writer")));
    }
    if name.is_empty() || name.contains('/') || name.contains("..") {
        return Err(Error::Invalid(format!("feature name {name:?} cannot be part of a path")));
    }
    if name == "task" {
        return Err(Error::Invalid("feature `task` would be taken for the instructions of frames".into()));
    }
    match &feature.dtype {
        DType::Language => Err(Error::Invalid(format!("feature `{name}`: language annotations cannot be written"))),
        DType::Other(dtype) => {
            Err(Error::Invalid(format!("feature `{name}`: values of type {dtype:?} cannot be written")))
        }
        _ => Ok(()),
    }
}

/// Facts about the videos of a camera, as LeRobot 0.4 names them.
fn video_facts(width: usize, height: usize, options: &WriterOptions) -> serde_json::Map<String, serde_json::Value> {
    let facts = json!({
        "video.height": height,
        "video.width": width,
        "video.codec": options.video.codec.name(),
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": false,
        "video.fps": options.fps,
        "video.channels": 3,
        "has_audio": false,
    });
    facts.as_object().cloned().unwrap_or_default()
}

pub(super) fn write_info(root: &Path, info: &Info) -> Result<()> {
    let path = root.join("meta/info.json");
    let mut value =
        serde_json::to_value(info).map_err(|error| Error::metadata(&path, "(whole file)", error.to_string()))?;
    // The lerobot library wants an integer.
    value["fps"] = json!(info.fps.round() as u64);
    files::write_json(&path, &value)
}

/// Sets the totals, and the split of a recording in progress.
pub(super) fn count(info: &mut Info, tasks: &IndexSet<String>, episodes: &[EpisodeRecord]) {
    info.total_tasks = tasks.len() as u64;
    info.total_episodes = episodes.len() as u64;
    info.total_frames = episodes.iter().map(|episode| episode.length as u64).sum();
    info.splits = [("train".to_owned(), format!("0:{}", episodes.len()))].into();
}

/// `meta/tasks.parquet` with the text as its pandas index, which is how the lerobot library looks tasks up.
pub(super) fn write_tasks(root: &Path, tasks: &IndexSet<String>) -> Result<()> {
    let path = root.join("meta/tasks.parquet");
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..tasks.len() as i64));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(tasks));
    let column = |name: &str, kind: &str, numpy: &str| json!({"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": null});
    let pandas = json!({
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "pandas_version": "2.0.0",
    });
    let batch = columns::batch_with_metadata(
        vec![("task_index".into(), numbers), ("task".into(), texts)],
        [("pandas".to_owned(), pandas.to_string())].into(),
        &path,
    )?;
    let scratch = path.with_extension("partial");
    columns::write(&scratch, &[batch])?;
    files::put(&scratch, &path)
}
