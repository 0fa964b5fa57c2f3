//! One JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::VALIDATION;
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct JsonLines {
    file: File,
    path: PathBuf,
    /// Step of the last held-out numbers that were kept.
    last_validation: Option<u64>,
}

impl JsonLines {
    /// Opens the file for appending; lines of steps after `step`, and a last line that was cut short, are cut off. What is
    /// kept is not written again: on a full disk it would be lost.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        let io = |doing, error| Error::io(doing, path, error);
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| io("opening the metrics", error))?;
        let text = std::fs::read_to_string(path).map_err(|error| io("reading the metrics", error))?;
        let whole = text.split_inclusive('\n').take_while(|line| line.ends_with('\n'));
        let kept = whole.map_while(|line| Some((line, parsed(line).filter(|(at, _)| *at <= step)?)));
        let (mut length, mut last_validation) = (0, None);
        for (line, (at, kind)) in kept {
            length += line.len() as u64;
            last_validation = (kind == VALIDATION).then_some(at).or(last_validation);
        }
        file.set_len(length).map_err(|error| io("writing the metrics", error))?;
        Ok(Self { file, path: path.to_path_buf(), last_validation })
    }

    pub(super) fn last_validation(&self) -> Option<u64> {
        self.last_validation
    }

    pub(super) fn write(&mut self, line: &Value) -> Result<()> {
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| Error::io("writing the metrics", &self.path, error))
    }
}

/// Step and kind of a line; None of what is no line of metrics.
fn parsed(line: &str) -> Option<(u64, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some((line["step"].as_u64()?, line["kind"].as_str().unwrap_or_default().to_owned()))
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
        for (step, kind) in [(10, "validation"), (20, "train"), (30, "validation")] {
            lines.write(&json!({ "step": step, "kind": kind })).unwrap();
        }
        drop(lines);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(JsonLines::open(&path, 20).unwrap().last_validation(), Some(10));
        let kept = "{\"step\":10,\"kind\":\"validation\"}\n{\"step\":20,\"kind\":\"train\"}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }
}
