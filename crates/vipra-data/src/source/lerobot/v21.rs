//! Where v2.1 keeps what: a file an episode (interfaces b.11).

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Info;
use super::metadata::{EpisodeFiles, Metadata, tasks_by_number, video_features, video_template};
use super::template::{Value, expand};
use crate::error::{Error, Result};
use crate::source::Episode;

#[derive(Deserialize)]
struct EpisodeLine {
    episode_index: u64,
    #[serde(default)]
    tasks: Vec<String>,
    length: u64,
}

#[derive(Deserialize)]
struct TaskLine {
    task_index: i64,
    task: String,
}

pub(super) fn read(root: &Path, info: &Info) -> Result<Metadata> {
    let mut lines: Vec<EpisodeLine> = read_lines(&root.join("meta/episodes.jsonl"))?;
    lines.sort_by_key(|line| line.episode_index);
    let tasks_path = root.join("meta/tasks.jsonl");
    let tasks: Vec<TaskLine> = read_lines(&tasks_path)?;
    let tasks = tasks.into_iter().map(|line| (line.task_index, line.task)).collect();

    let (mut episodes, mut files) = (Vec::new(), Vec::new());
    for line in lines {
        let chunk = ("episode_chunk", Value::Number(line.episode_index / info.chunks_size));
        let index = ("episode_index", Value::Number(line.episode_index));
        let mut videos = Vec::new();
        for (camera, _) in video_features(info) {
            let template = video_template(info, root)?;
            let video = expand(template, &[chunk, index, ("video_key", Value::Text(camera))], root)?;
            videos.push((camera.to_owned(), video, 0.0));
        }
        let data = expand(&info.data_path, &[chunk, index], root)?;
        files.push(EpisodeFiles { data, videos, first_index: None, tasks: line.tasks.clone() });
        let number = line.episode_index as usize;
        let (name, length) = (number.to_string(), line.length as usize);
        episodes.push(Episode { number, name, length, fps: info.fps, tasks: line.tasks });
    }
    Ok(Metadata { episodes, files, tasks: tasks_by_number(tasks, &tasks_path)? })
}

/// JSON lines; empty ones are passed over.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map_err(|error| Error::metadata(path, format!("line {}", number + 1), error.to_string()))
        })
        .collect()
}
