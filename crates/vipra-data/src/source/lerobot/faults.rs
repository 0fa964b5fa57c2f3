//! What is wrong with a dataset although it can be read.

use std::path::Path;

use super::LeRobot;
use crate::error::{Error, Result};
use crate::feature::DType;
use crate::rows::{Rows, Values};

impl LeRobot {
    /// Totals and splits that are not what the files say, and what stands there that is not known.
    pub(super) fn metadata_faults(&self) -> Vec<Error> {
        let path = self.description.root.join("meta/info.json");
        if self.description.unfinished {
            let reason = format!("a recording that was not finished; {} episodes so far", self.episodes.len());
            return vec![Error::rows(&self.description.root, reason)];
        }
        let mut faults = Vec::new();
        let mut compare = |field: &str, said: u64, found: usize| {
            if said != found as u64 {
                faults.push(Error::metadata(&path, field, format!("says {said}, there are {found}")));
            }
        };
        compare("total_episodes", self.info.total_episodes, self.episodes.len());
        compare("total_frames", self.info.total_frames, self.episodes.iter().map(|episode| episode.length).sum());
        compare("total_tasks", self.info.total_tasks, self.description.tasks.len());
        let end = self.episodes.last().map_or(0, |episode| episode.number + 1);
        for (name, range) in self.description.splits.iter().filter(|(_, range)| range.end > end) {
            let reason = format!("ends at episode {}, there are {end}", range.end);
            faults.push(Error::metadata(&path, format!("splits.{name}"), reason));
        }
        let malformed = self.description.malformed_splits.iter();
        faults.extend(malformed.map(|(name, text)| super::malformed_split(&self.description.root, name, text)));
        for (name, feature) in &self.description.features {
            if let DType::Other(dtype) = &feature.dtype {
                let reason = format!("{dtype:?} is not a type that is known");
                faults.push(Error::metadata(&path, format!("features.{name}.dtype"), reason));
            }
        }
        faults
    }

    /// An episode's rows against what the metadata says of them.
    pub(super) fn row_faults(&self, episode: usize, rows: &Rows) -> Vec<Error> {
        let mut faults = Vec::new();
        let path = &self.files[episode].data;
        if self.index(path).is_ok_and(|index| !index.contains(self.episodes[episode].number)) {
            faults.push(Error::rows(path, "the metadata names this file, but its rows are in another"));
        }
        let column = |name: &str| match rows.columns.get(name).map(|column| &column.values) {
            Some(Values::I64(values)) => values.as_slice(),
            _ => &[],
        };
        if column("index").windows(2).any(|pair| pair[1] != pair[0] + 1) {
            faults.push(Error::column(path, "index", "does not count up by one"));
        }
        match (self.files[episode].first_index, column("index").first()) {
            (Some(said), Some(&found)) if said != found as u64 => {
                let reason = format!("the metadata says that it begins with {said}, the rows with {found}");
                faults.push(Error::column(path, "index", reason));
            }
            _ => {}
        }
        faults.extend(self.task_faults(episode, column("task_index")));
        faults
    }

    /// The `task_index` of an episode's rows against the tasks that there are, those of the episode, and each other.
    fn task_faults(&self, episode: usize, numbers: &[i64]) -> Vec<Error> {
        let path = &self.files[episode].data;
        let task = |number: i64| self.tasks.get(&number);
        let mut faults = Vec::new();
        if self.episodes[episode].tasks.is_empty() {
            faults.push(Error::rows(path, "neither the metadata nor the rows name a task: it has no instruction"));
        }
        if let Some(number) = numbers.iter().find(|&&number| task(number).is_none()) {
            let count = self.tasks.len();
            faults.push(Error::rows(path, format!("task_index is {number}, which none of the {count} tasks has")));
        }
        let named = &self.files[episode].tasks;
        let unnamed = |&number: &i64| task(number).filter(|task| !named.is_empty() && !named.contains(task));
        if let Some((frame, task)) = numbers.iter().enumerate().find_map(|(at, number)| Some((at, unnamed(number)?))) {
            let reason = format!("the task of frame {frame} is {task:?}, the metadata names {named:?}");
            faults.push(Error::rows(path, reason));
        }
        if let Some(before) = numbers.windows(2).position(|pair| pair[0] != pair[1]) {
            let reason =
                format!("the task changes at frame {}, all frames get the instruction of the first", before + 1);
            faults.push(Error::rows(path, reason));
        }
        faults
    }
}

/// Refuses NaN and infinities.
pub(super) fn check_finite(values: &Values, width: usize, feature: &str, path: &Path) -> Result<()> {
    let bad = match values {
        Values::F32(values) => values.iter().position(|value| !value.is_finite()).map(|at| (at, f64::from(values[at]))),
        Values::F64(values) => values.iter().position(|value| !value.is_finite()).map(|at| (at, values[at])),
        Values::I64(_) | Values::Bool(_) | Values::Text(_) => None,
    };
    match bad {
        Some((at, value)) => {
            let frame = at / width.max(1);
            Err(Error::NonFinite { feature: feature.to_owned(), frame, value, path: path.to_path_buf() })
        }
        None => Ok(()),
    }
}
