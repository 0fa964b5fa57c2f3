//! `vipra data check`.

use std::path::Path;

use anyhow::Result;
use indexmap::IndexMap;
use vipra_data::OpenOptions;
use vipra_data::check::{Report, check};

use super::Outcome;
use crate::output::{plural, print, print_json};
use crate::progress::Progress;

pub fn run(path: &Path, fps: Option<f64>, workers: usize, as_json: bool) -> Result<Outcome> {
    let progress = Progress::new("checking", "episodes");
    let options = OpenOptions { fps, ..OpenOptions::default() };
    let report = check(path, &options, workers, &|done, all| progress.set(done, all))?;
    drop(progress);
    if as_json {
        print_json(&report)?;
    } else {
        print(&to_text(&report))?;
    }
    Ok(if report.findings.is_empty() { Outcome::Done } else { Outcome::CheckFailed })
}

fn to_text(report: &Report) -> String {
    let looked_at = format!("{}, {} decoded", plural(report.episodes, "episode"), plural(report.frames, "frame"));
    if report.findings.is_empty() {
        return format!("nothing wrong: {looked_at}\n");
    }
    // One missing file is one line, however many episodes it holds.
    let mut problems: IndexMap<&str, Vec<usize>> = IndexMap::new();
    for finding in &report.findings {
        problems.entry(&finding.problem).or_default().extend(finding.episode);
    }
    let lines = problems.iter().map(|(problem, episodes)| match episodes[..] {
        [] => format!("  {problem}\n"),
        [one] => format!("  episode {one}: {problem}\n"),
        [first, .., last] => format!("  {} episodes from {first} to {last}: {problem}\n", episodes.len()),
    });
    format!("{} wrong: {looked_at}\n{}", plural(problems.len(), "thing"), lines.collect::<String>())
}
