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
    /// Opens the file for appending; lines of steps after `step`, and a last line that was cut short, are dropped.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        let io = |doing, error| Error::io(doing, path, error);
        let kept = match std::fs::read_to_string(path) {
            Ok(text) => text.lines().filter(|line| is_up_to(line, step)).map(|line| format!("{line}\n")).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(io("reading the metrics", error)),
        };
        std::fs::write(path, kept).map_err(|error| io("writing the metrics", error))?;
        let file = OpenOptions::new().append(true).open(path).map_err(|error| io("opening the metrics", error))?;
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
