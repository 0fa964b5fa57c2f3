//! One JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct JsonLines {
    file: File,
    path: PathBuf,
}

impl JsonLines {
    /// Opens the file for appending; lines of steps after `step`, and a last line that was cut short, are cut off. What is
    /// kept is not written again: on a full disk it would be lost.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        let io = |doing, error| Error::io(doing, path, error);
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| io("opening the metrics", error))?;
        let text = std::fs::read_to_string(path).map_err(|error| io("reading the metrics", error))?;
        let kept = text.split_inclusive('\n').take_while(|line| line.ends_with('\n') && is_up_to(line, step));
        let length = kept.map(str::len).sum::<usize>() as u64;
        file.set_len(length).map_err(|error| io("writing the metrics", error))?;
        Ok(Self { file, path: path.to_path_buf() })
    }

    pub(super) fn write(&mut self, line: &Value) -> Result<()> {
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| Error::io("writing the metrics", &self.path, error))
    }
}

fn is_up_to(line: &str, step: u64) -> bool {
    let parsed: Option<Value> = serde_json::from_str(line).ok();
    parsed.and_then(|line| line["step"].as_u64()).is_some_and(|at| at <= step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::JsonLines;

    #[test]
    fn a_resumed_run_drops_what_it_will_write_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut lines = JsonLines::open(&path, 0).unwrap();
        for step in [10, 20, 30] {
            lines.write(&json!({ "step": step })).unwrap();
        }
        drop(lines);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        drop(JsonLines::open(&path, 20).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"step\":10}\n{\"step\":20}\n");
    }
}
