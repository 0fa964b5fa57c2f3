//! `vipra eval`.

mod compare;
mod report;
mod run;
mod splits;

use std::path::{Path, PathBuf};

use anyhow::Result;
use vipra_eval::{OUTCOMES, Section, Summary, read_outcomes, videos};

pub use run::run_episodes;

use super::Outcome;
use crate::cli::{EvalArgs, EvalCommand};
use crate::output::{short, table};

pub fn run(args: &EvalArgs) -> Result<Outcome> {
    match &args.command {
        None => run::run(&args.run),
        Some(EvalCommand::Compare(args)) => compare::run(args),
        Some(EvalCommand::Report(args)) => report::run(args),
    }
}

/// Returns the outcomes file of a folder, or the file itself.
fn outcomes_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(OUTCOMES) } else { path.to_path_buf() }
}

/// Reads all that there is in a folder of outcomes, or in a file of them.
fn section(path: &Path) -> Result<Section> {
    let (header, outcomes) = read_outcomes(&outcomes_file(path))?;
    let videos = if path.is_dir() { videos(path)? } else { Vec::new() };
    Ok(Section { title: path.display().to_string(), header, outcomes, videos })
}

/// Formats rates with their intervals, one line a split and task.
fn to_table(summaries: &[Summary]) -> String {
    let all = |name: &str| if name.is_empty() { "all".to_owned() } else { name.to_owned() };
    let rows = summaries.iter().map(|summary| {
        let latency = summary.latency_ms.map_or(String::new(), |[half, most]| format!("{half:.0} / {most:.0}"));
        vec![
            all(&summary.split),
            all(&summary.task),
            summary.success_last.trials.to_string(),
            summary.success_last.to_string(),
            summary.success_any.to_string(),
            summary.grasped.to_string(),
            short(summary.steps),
            latency,
            format!("{:.1}", summary.control_rate_hz),
        ]
    });
    let header = ["split", "task", "n", "last step", "any step", "grasped", "steps", "chunk ms (p50 / p95)", "Hz"];
    let mut text = table(&header, rows.collect(), 2);
    text.push_str("\n  success at the last step and at any step; brackets are 95 % intervals (Wilson)\n");
    text
}
