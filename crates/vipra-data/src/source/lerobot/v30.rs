//! Where v3.0 keeps what: many episodes a file (interfaces b.1, b.5, b.6).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::template::{Value, expand};
use super::{Info, Located, Table, table};
use crate::error::{Error, Result};
use crate::source::{Episode, tasks_of};

pub(super) fn read(root: &Path, info: &Info) -> Result<Table> {
    let mut found = Vec::new();
    for file in episode_files(root)? {
        found.append(&mut read_episodes(root, info, &file)?);
    }
    found.sort_by_key(|(episode, _)| episode.number);
    let (episodes, located): (Vec<Episode>, _) = found.into_iter().unzip();
    let tasks: BTreeMap<i64, String> = match super::is_unfinished(root) {
        // Its table of tasks may lag behind (see the writer); they are numbered as they come.
        true => (0..).zip(tasks_of(&episodes)).collect(),
        false => read_tasks(&root.join("meta/tasks.parquet"))?,
    };
    Ok(Table { episodes, located, tasks })
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

fn read_episodes(root: &Path, info: &Info, path: &Path) -> Result<Vec<(Episode, Located)>> {
    let batch = table::read(path, |name| !name.starts_with("stats/"), None)?;
    let numbers = |name: &str| -> Result<Vec<u64>> {
        let values = table::integers(&batch, name, path)?;
        let as_unsigned =
            |value: i64| u64::try_from(value).map_err(|_| Error::column(path, name, format!("{value} is negative")));
        values.into_iter().map(as_unsigned).collect()
    };
    let episode_index = numbers("episode_index")?;
    let length = numbers("length")?;
    let tasks = table::text_lists(&batch, "tasks", path)?;
    let data = (numbers("data/chunk_index")?, numbers("data/file_index")?);

    // Absent in some older files; then there is nothing to compare with.
    let first_index = match batch.column_by_name("dataset_from_index") {
        Some(_) => Some(numbers("dataset_from_index")?),
        None => None,
    };

    let mut videos = Vec::new();
    for (camera, _) in super::video_features(info) {
        let chunk = numbers(&format!("videos/{camera}/chunk_index"))?;
        let file = numbers(&format!("videos/{camera}/file_index"))?;
        let from_secs = table::floats(&batch, &format!("videos/{camera}/from_timestamp"), path)?;
        if let Some(bad) = from_secs.iter().find(|secs| !(0.0..1e9).contains(*secs)) {
            return Err(Error::column(path, camera, format!("from_timestamp is {bad}")));
        }
        videos.push((camera, chunk, file, from_secs));
    }

    let mut found = Vec::with_capacity(episode_index.len());
    for row in 0..episode_index.len() {
        let at = |chunk: u64, file: u64| [("chunk_index", Value::Number(chunk)), ("file_index", Value::Number(file))];
        let mut located = Located {
            data: expand(&info.data_path, &at(data.0[row], data.1[row]), root)?,
            videos: Vec::new(),
            first_index: first_index.as_ref().map(|first| first[row]),
            tasks: tasks[row].clone(),
        };
        for (camera, chunk, file, from_secs) in &videos {
            let [chunk, file] = at(chunk[row], file[row]);
            let template = super::video_template(info, root)?;
            let video = expand(template, &[("video_key", Value::Text(camera)), chunk, file], root)?;
            located.videos.push(((*camera).to_owned(), video, from_secs[row]));
        }
        let number = episode_index[row] as usize;
        let episode = Episode {
            number,
            name: number.to_string(),
            length: length[row] as usize,
            fps: info.fps,
            tasks: tasks[row].clone(),
        };
        found.push((episode, located));
    }
    Ok(found)
}

/// Instructions by `task_index`, which must count up from zero: the lerobot library goes by their places in the file. The text
/// column has had several names: it is the one column of text.
fn read_tasks(path: &Path) -> Result<BTreeMap<i64, String>> {
    let batch = table::read(path, |_| true, None)?;
    let numbers = table::integers(&batch, "task_index", path)?;
    let texts = batch
        .columns()
        .iter()
        .find_map(|column| table::texts(column, "task", path).ok())
        .ok_or_else(|| Error::column(path, "task", "the file has no column of text"))?;
    let tasks = super::tasks_by_number(numbers.into_iter().zip(texts).collect(), path)?;
    match tasks.keys().zip(0_i64..).find(|(number, at)| *number != at) {
        None => Ok(tasks),
        Some((number, at)) => Err(Error::metadata(path, "task_index", format!("{number} follows where {at} should"))),
    }
}
