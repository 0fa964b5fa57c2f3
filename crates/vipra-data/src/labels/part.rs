//! One Parquet file of labels.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, FixedSizeListArray, Float64Array, Int64Array, RecordBatch, UInt8Array};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, UInt8Type};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::{EpisodeLabels, LabelsInfo};
use crate::error::{Error, Result};
use crate::parquet_file;

/// Writes the labels of some episodes to a file, which is called `path` in errors.
pub(super) fn write(file: &File, path: &Path, labels: &[EpisodeLabels], info: &LabelsInfo) -> Result<()> {
    let batch = batch_of(labels, info).map_err(|error| Error::parquet(path, error))?;
    let fault = |error: ParquetError| Error::parquet(path, error);
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(fault)?;
    writer.write(&batch).map_err(fault)?;
    writer.close().map_err(fault)?;
    Ok(())
}

fn batch_of(labels: &[EpisodeLabels], info: &LabelsInfo) -> Result<RecordBatch, ArrowError> {
    let width = info.codes_per_frame();
    let (mut episodes, mut frames, mut times, mut codes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for episode in labels {
        let count = episode.codes.len() / width;
        episodes.extend(std::iter::repeat_n(episode.episode as i64, count));
        frames.extend(0..count as i64);
        times.extend((0..count).map(|frame| frame as f64 / episode.fps));
        codes.extend_from_slice(&episode.codes);
    }
    let field = Arc::new(Field::new("element", DataType::UInt8, false));
    let list = FixedSizeListArray::try_new(field.clone(), width as i32, Arc::new(UInt8Array::from(codes)), None)?;
    let schema = Schema::new(vec![
        Field::new("episode_index", DataType::Int64, false),
        Field::new("frame_index", DataType::Int64, false),
        Field::new("timestamp", DataType::Float64, false),
        Field::new("codes", DataType::FixedSizeList(field, width as i32), false),
    ]);
    // The file says by itself what its codes are.
    let metadata = [
        ("model", info.model.clone()),
        ("dataset", info.dataset.clone()),
        ("interval_secs", info.interval_secs.to_string()),
        ("horizon", info.horizon.to_string()),
        ("code_length", info.code_length.to_string()),
    ];
    let metadata: HashMap<String, String> = metadata.map(|(key, value)| (key.to_owned(), value)).into();
    RecordBatch::try_new(
        Arc::new(schema.with_metadata(metadata)),
        vec![
            Arc::new(Int64Array::from(episodes)),
            Arc::new(Int64Array::from(frames)),
            Arc::new(Float64Array::from(times)),
            Arc::new(list),
        ],
    )
}

/// Reads a part; codes are checked against the codebook, and frames to be in order.
pub(super) fn read(path: &Path, info: &LabelsInfo) -> Result<Vec<EpisodeLabels>> {
    let fault = |reason: String| Error::parquet(path, reason);
    let reader = parquet_file::open(path)?.build();
    let width = info.codes_per_frame();
    let mut labels: Vec<EpisodeLabels> = Vec::new();
    for batch in reader.map_err(|error| fault(error.to_string()))? {
        let batch = batch.map_err(|error| fault(error.to_string()))?;
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| Error::column(path, name, "there is no such column"));
        let wrong = |name: &str| Error::column(path, name, "has another type");
        let episodes =
            column("episode_index")?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong("episode_index"))?;
        let frames = column("frame_index")?.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong("frame_index"))?;
        let times = column("timestamp")?.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong("timestamp"))?;
        let lists = column("codes")?.as_fixed_size_list_opt().ok_or_else(|| wrong("codes"))?;
        let codes = lists.values().as_primitive_opt::<UInt8Type>().ok_or_else(|| wrong("codes"))?;
        if lists.value_length() as usize != width || lists.null_count() + codes.null_count() > 0 {
            return Err(Error::column(path, "codes", format!("should be {width} bytes a row")));
        }
        let codes = &codes.values()[lists.offset() * width..];
        for row in 0..batch.num_rows() {
            let read = Row {
                episode: usize::try_from(episodes.value(row)).map_err(|error| fault(error.to_string()))?,
                frame: frames.value(row),
                secs: times.value(row),
                codes: &codes[row * width..(row + 1) * width],
            };
            append_row(&mut labels, &read, info, path)?;
        }
    }
    Ok(labels)
}

/// A row of a part: the labels of a frame.
struct Row<'a> {
    episode: usize,
    frame: i64,
    secs: f64,
    codes: &'a [u8],
}

/// Adds a row to the labels of its episode, which are the last ones or new.
fn append_row(labels: &mut Vec<EpisodeLabels>, row: &Row<'_>, info: &LabelsInfo, path: &Path) -> Result<()> {
    let number = row.episode;
    if labels.last().is_none_or(|last| last.episode != number) {
        labels.push(EpisodeLabels { episode: number, fps: 0.0, codes: Vec::new() });
    }
    let Some(last) = labels.last_mut() else { return Ok(()) };
    let frame = last.codes.len() / info.codes_per_frame();
    if row.frame != frame as i64 {
        let reason = format!("episode {number}: frame {} stands where {frame} belongs", row.frame);
        return Err(Error::rows(path, reason));
    }
    if frame == 1 && row.secs > 0.0 {
        last.fps = 1.0 / row.secs;
    }
    if let Some(code) = row.codes.iter().find(|code| usize::from(**code) >= info.codes) {
        let reason = format!("episode {number}, frame {frame}: code {code} of a codebook of {}", info.codes);
        return Err(Error::column(path, "codes", reason));
    }
    last.codes.extend_from_slice(row.codes);
    Ok(())
}
