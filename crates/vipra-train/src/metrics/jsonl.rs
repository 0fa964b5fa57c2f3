//! One JSON object per line.

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
    /// Lines of the newest step that was kept.
    newest: Vec<KeptLine>,
}

#[derive(Debug)]
struct KeptLine {
    /// Bytes before it.
    start: u64,
    step: u64,
    line: Value,
}

impl JsonLines {
    /// Opens the file for appending; lines of steps after `step`, and a last line that was cut short, are cut off. The rest is
    /// not written again, because it would be lost on a full disk.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        let io = |doing, error| Error::io(doing, path, error);
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| io("opening the metrics", error))?;
        let text = std::fs::read_to_string(path).map_err(|error| io("reading the metrics", error))?;
        let (mut length, mut newest) = (0, Vec::<KeptLine>::new());
        for line in text.split_inclusive('\n').take_while(|line| line.ends_with('\n')) {
            let Some(kept) = KeptLine::parse(line, length).filter(|kept| kept.step <= step) else { break };
            length += line.len() as u64;
            newest.retain(|other| other.step == kept.step);
            newest.push(kept);
        }
        file.set_len(length).map_err(|error| io("writing the metrics", error))?;
        Ok(Self { file, path: path.to_path_buf(), newest })
    }

    /// The kept lines of a step, if it is the newest one.
    pub(super) fn of_step(&self, step: u64) -> impl Iterator<Item = &Value> {
        self.newest.iter().filter(move |kept| kept.step == step).map(|kept| &kept.line)
    }

    /// Cuts off the last line if it holds held-out numbers.
    pub(super) fn cut_validation(&mut self) -> Result<()> {
        let Some(last) = self.newest.pop_if(|kept| kept.line["kind"] == VALIDATION) else { return Ok(()) };
        self.file.set_len(last.start).map_err(|error| Error::io("writing the metrics", &self.path, error))
    }

    pub(super) fn write(&mut self, line: &Value) -> Result<()> {
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| Error::io("writing the metrics", &self.path, error))
    }
}

impl KeptLine {
    /// None if it is not a line of metrics.
    fn parse(line: &str, start: u64) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(Self { start, step: line["step"].as_u64()?, line })
    }
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
        let lines = JsonLines::open(&path, 20).unwrap();
        assert_eq!(lines.of_step(20).collect::<Vec<_>>(), [&json!({ "step": 20, "kind": "train" })]);
        let kept = "{\"step\":10,\"kind\":\"validation\"}\n{\"step\":20,\"kind\":\"train\"}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }

    #[test]
    fn only_a_last_line_of_held_out_numbers_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let lines = ["{\"step\":20,\"kind\":\"train\"}\n", "{\"step\":20,\"kind\":\"validation\"}\n"];
        std::fs::write(&path, lines.concat()).unwrap();
        for _ in 0..2 {
            JsonLines::open(&path, 20).unwrap().cut_validation().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), lines[0]);
        }
    }
}
