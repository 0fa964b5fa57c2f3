//! What became of an episode, and the file of outcomes.
//!
//! A file of JSON lines: first what was tried in what, then an episode a line, on the disk before the next one ends. The
//! Python client writes the same for SIMPLER.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vipra_data::writer::write_atomic;

use crate::environment::Episode;
use crate::{Error, Result};

/// What outcomes belong to: environment, policy, fingerprints, how chunks are executed, the program's version. Splits, seeds and
/// numbers stand with each outcome, so that a file can grow.
pub type Header = Map<String, Value>;

/// The key of a header that older files lack: theirs is unknown, and they go on.
const VERSION: &str = "version";

/// What became of an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The kind of task.
    pub task: String,
    /// Where its beginning was drawn from; empty where there is only one place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub split: String,
    /// Its seed.
    #[serde(default)]
    pub seed: u64,
    /// Its number.
    pub episode: u64,
    /// What was to be done.
    pub instruction: String,
    /// It was done at the last step (interfaces d.6).
    pub success_last: bool,
    /// It was done at some step.
    pub success_any: bool,
    /// The object was between the fingers at some step.
    pub grasped: bool,
    /// The robot touched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<bool>,
    /// It moved, and farther than any other.
    #[serde(rename = "moved_right", default, skip_serializing_if = "Option::is_none")]
    pub moved_correct: Option<bool>,
    /// Another object was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_wrong: Option<bool>,
    /// Actions.
    pub steps: usize,
    /// How long it took, in seconds, beside those that ran at the same time.
    pub secs: f64,
    /// How long it waited for each chunk, in milliseconds.
    pub latencies: Vec<f64>,
}

impl Outcome {
    /// What makes it the same episode in another file.
    pub fn key(&self) -> (&str, &str, u64, u64) {
        (&self.task, &self.split, self.seed, self.episode)
    }

    pub(crate) fn is_of(&self, episode: &Episode) -> bool {
        (&self.split, self.seed, self.episode) == (&episode.split, episode.seed, episode.number)
    }
}

/// A file that outcomes are added to.
#[derive(Debug)]
pub struct OutcomeLog {
    file: File,
    path: PathBuf,
    outcomes: Vec<Outcome>,
}

impl OutcomeLog {
    /// Begins a file, or goes on with one of the same header.
    ///
    /// # Errors
    /// [`Error::HeaderMismatch`] if it is of something else, [`Error::Line`] if a line is no outcome, [`Error::Io`].
    pub fn open(path: &Path, header: &Header) -> Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(Error::io(path))?;
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        // A kill may have cut the last line off.
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        // A header that nothing stands behind is of an evaluation that could not begin.
        let kept = if whole.lines().count() > 1 { whole } else { "" };
        file.set_len(kept.len() as u64).map_err(Error::io(path))?;
        if kept.is_empty() {
            write_line(&mut file, header).map_err(Error::io(path))?;
            return Ok(Self { file, path: path.to_path_buf(), outcomes: Vec::new() });
        }
        let (found, outcomes) = parse(kept, path)?;
        let names: BTreeSet<&String> = found.keys().chain(header.keys()).collect();
        let is_same = |name: &String| {
            let (before, now) = (found.get(name), header.get(name));
            before == now || name == VERSION && (before.is_none() || now.is_none())
        };
        let differs: Vec<&str> = names.into_iter().filter(|&name| !is_same(name)).map(String::as_str).collect();
        if !differs.is_empty() {
            return Err(Error::HeaderMismatch { differs: differs.join(", "), path: path.to_path_buf() });
        }
        Ok(Self { file, path: path.to_path_buf(), outcomes })
    }

    /// Those that are in it.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Takes out those of episodes that run again.
    pub(crate) fn forget(&mut self, runs_again: &dyn Fn(&Outcome) -> bool) -> Result<()> {
        if !self.outcomes.iter().any(runs_again) {
            return Ok(());
        }
        let text = std::fs::read_to_string(&self.path).map_err(Error::io(&self.path))?;
        // Behind the header there is a line for each, in their order.
        let outcome_of = |line: usize| line.checked_sub(1).and_then(|at| self.outcomes.get(at));
        let kept = text.lines().enumerate().filter(|(line, _)| !outcome_of(*line).is_some_and(runs_again));
        let kept: String = kept.flat_map(|(_, line)| [line, "\n"]).collect();
        write_atomic(&self.path, kept.as_bytes()).map_err(|error| Error::Invalid(error.to_string()))?;
        self.file = OpenOptions::new().append(true).open(&self.path).map_err(Error::io(&self.path))?;
        self.outcomes.retain(|outcome| !runs_again(outcome));
        Ok(())
    }

    /// Adds one; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&mut self, outcome: Outcome) -> Result<()> {
        write_line(&mut self.file, &outcome).map_err(Error::io(&self.path))?;
        self.outcomes.push(outcome);
        Ok(())
    }
}

/// Reads a file of outcomes; a last line that was cut off does not count.
///
/// # Errors
/// [`Error::Line`] if a line is no outcome, [`Error::Io`].
pub fn read_outcomes(path: &Path) -> Result<(Header, Vec<Outcome>)> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    parse(&text[..text.rfind('\n').map_or(0, |at| at + 1)], path)
}

fn parse(text: &str, path: &Path) -> Result<(Header, Vec<Outcome>)> {
    let fault = |line: usize, reason: String| Error::Line { line, reason, path: path.to_path_buf() };
    let mut lines = text.lines().enumerate();
    let (_, first) = lines.next().ok_or_else(|| fault(1, "no header".to_owned()))?;
    let header: Header = serde_json::from_str(first).map_err(|error| fault(1, error.to_string()))?;
    if header.contains_key("success_last") {
        return Err(fault(1, "no header: this is an outcome".to_owned()));
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (at, line) in lines {
        let outcome: Outcome = serde_json::from_str(line).map_err(|error| fault(at + 1, error.to_string()))?;
        if outcomes.iter().any(|known| known.key() == outcome.key()) {
            let (task, _, _, episode) = outcome.key();
            return Err(fault(
                at + 1,
                format!("episode {episode} of {task} stands here twice: two processes wrote it?"),
            ));
        }
        outcomes.push(outcome);
    }
    Ok((header, outcomes))
}

fn write_line(file: &mut File, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}
