//! Where v3.0 keeps what: many episodes a file (interfaces b.1, b.5, b.6).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use walkdir::WalkDir;

use super::metadata::{EpisodeFiles, Metadata, tasks_by_number, video_features, video_template};
use super::template::{Value, expand};
use super::{Info, columns};
use crate::error::{Error, Result};
use crate::source::{Episode, tasks_of};

pub(super) fn read(root: &Path, info: &Info) -> Result<Metadata> {
    let mut found = Vec::new();
    for file in episode_files(root)? {
        found.append(&mut read_episodes(root, info, &file)?);
    }
    found.sort_by_key(|(episode, _)| episode.number);
    let (episodes, files): (Vec<Episode>, _) = found.into_iter().unzip();
    let tasks: BTreeMap<i64, String> = match super::is_unfinished(root) {
        // Its table of tasks may lag behind (see the writer); they are numbered as they come.
        true => (0..).zip(tasks_of(&episodes)).collect(),
        false => read_tasks(&root.join("meta/tasks.parquet"))?,
    };
    Ok(Metadata { episodes, files, tasks })
}

/// All files of `meta/episodes`, sorted. A finished recording has at least one; one without any episode has none.
pub(super) fn episode_files(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("meta/episodes");
    let mut files = Vec::new();
    for entry in WalkDir::new(&folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::io(&folder, error.into()))?;
        if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Where the videos of a camera are, by row of a table of episodes.
struct VideoColumns<'a> {
    camera: &'a str,
    chunk: Vec<u64>,
    file: Vec<u64>,
    from_secs: Vec<f64>,
}

fn read_episodes(root: &Path, info: &Info, path: &Path) -> Result<Vec<(Episode, EpisodeFiles)>> {
    let batch = columns::read(path, |name| !name.starts_with("stats/"), None)?;
    let episode_index = numbers(&batch, "episode_index", path)?;
    let length = numbers(&batch, "length", path)?;
    let tasks = columns::text_lists(&batch, "tasks", path)?;
    let data = (numbers(&batch, "data/chunk_index", path)?, numbers(&batch, "data/file_index", path)?);

    // Absent in some older files; then there is nothing to compare with.
    let first_index = match batch.column_by_name("dataset_from_index") {
        Some(_) => Some(numbers(&batch, "dataset_from_index", path)?),
        None => None,
    };
    let videos = video_columns(&batch, info, path)?;

    let mut found = Vec::with_capacity(episode_index.len());
    for row in 0..episode_index.len() {
        let at = |chunk: u64, file: u64| [("chunk_index", Value::Number(chunk)), ("file_index", Value::Number(file))];
        let mut files = EpisodeFiles {
            data: expand(&info.data_path, &at(data.0[row], data.1[row]), root)?,
            videos: Vec::new(),
            first_index: first_index.as_ref().map(|first| first[row]),
            tasks: tasks[row].clone(),
        };
        for VideoColumns { camera, chunk, file, from_secs } in &videos {
            let [chunk, file] = at(chunk[row], file[row]);
            let template = video_template(info, root)?;
            let video = expand(template, &[("video_key", Value::Text(camera)), chunk, file], root)?;
            files.videos.push(((*camera).to_owned(), video, from_secs[row]));
        }
        let number = episode_index[row] as usize;
        let episode = Episode {
            number,
            name: number.to_string(),
            length: length[row] as usize,
            fps: info.fps,
            tasks: tasks[row].clone(),
        };
        found.push((episode, files));
    }
    Ok(found)
}

fn video_columns<'a>(batch: &RecordBatch, info: &'a Info, path: &Path) -> Result<Vec<VideoColumns<'a>>> {
    let columns_of = |camera: &'a str| {
        let chunk = numbers(batch, &format!("videos/{camera}/chunk_index"), path)?;
        let file = numbers(batch, &format!("videos/{camera}/file_index"), path)?;
        let from_secs = columns::floats(batch, &format!("videos/{camera}/from_timestamp"), path)?;
        match from_secs.iter().find(|secs| !(0.0..1e9).contains(*secs)) {
            Some(bad) => Err(Error::column(path, camera, format!("from_timestamp is {bad}"))),
            None => Ok(VideoColumns { camera, chunk, file, from_secs }),
        }
    };
    video_features(info).map(|(camera, _)| columns_of(camera)).collect()
}

/// A column of integers from 0 on, one a row.
fn numbers(batch: &RecordBatch, name: &str, path: &Path) -> Result<Vec<u64>> {
    let as_unsigned =
        |value: i64| u64::try_from(value).map_err(|_| Error::column(path, name, format!("{value} is negative")));
    columns::integers(batch, name, path)?.into_iter().map(as_unsigned).collect()
}

/// Instructions by `task_index`, which must count up from zero: the lerobot library goes by their places in the file. The text
/// column has had several names: it is the one column of text.
fn read_tasks(path: &Path) -> Result<BTreeMap<i64, String>> {
    let batch = columns::read(path, |_| true, None)?;
    let numbers = columns::integers(&batch, "task_index", path)?;
    let texts = batch
        .columns()
        .iter()
        .find_map(|column| columns::texts(column, "task", path).ok())
        .ok_or_else(|| Error::column(path, "task", "the file has no column of text"))?;
    let tasks = tasks_by_number(numbers.into_iter().zip(texts).collect(), path)?;
    match tasks.keys().zip(0_i64..).find(|(number, at)| *number != at) {
        None => Ok(tasks),
        Some((number, at)) => Err(Error::metadata(path, "task_index", format!("{number} follows where {at} should"))),
    }
}
