//! The tables of a run: what is to be done, and what came of it.

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use vipra_data::writer::write_atomic;

use super::context::RunContext;
use super::plan::{Decision, Planned};
use super::record::{Record, State};
use super::results::results;
use crate::commands::finetune::assumed_actions;
use crate::output::{duration, table};
use crate::stage::Stage;

/// What `--dry-run` says.
pub fn planned(planned: &[Planned], context: &RunContext) -> String {
    let mut total = Some(0.0);
    // Behind the stages comes the report.
    let count = planned.len() + 1;
    let rows = planned.iter().enumerate().map(|(at, planned)| {
        let time = match (planned.decision, estimate(planned, context)) {
            (Decision::Skip, _) => "-".to_owned(),
            (Decision::Resume, _) if planned.is_learned() => "little: no step is done again".to_owned(),
            (_, None) => {
                total = None;
                "unknown".to_owned()
            }
            (_, Some((secs, whence))) => {
                total = total.map(|total| total + secs);
                format!("{} ({whence})", duration(secs))
            }
        };
        let number = format!("{}/{count}", at + 1);
        vec![number, planned.stage.name().to_owned(), planned.decision.name().to_owned(), time, planned.why.clone()]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let report =
        [&format!("{count}/{count}"), "report", Decision::Run.name(), "seconds", "made at the end of every run"];
    rows.push(report.map(str::to_owned).to_vec());
    let mut text = format!("{}\n\n", context.run.display());
    text.push_str(&table(&["", "stage", "", "time", "why"], rows, usize::MAX));
    let total = total.map_or_else(|| "unknown".to_owned(), |secs| format!("about {}", duration(secs)));
    text.push_str(&format!("\n  time in all: {total}; nothing was done\n"));
    let acts_elsewhere = !context.is_embedded() && planned.iter().any(|planned| planned.stage == Stage::Finetune);
    if acts_elsewhere {
        text.push_str(&format!("  {}\n", assumed_actions(&context.config.finetune.action)));
    }
    text
}

/// How long a stage takes, in seconds, and how that is known: from its last record, else from the configuration.
fn estimate(planned: &Planned, context: &RunContext) -> Option<(f64, String)> {
    let now = &planned.now;
    let is_the_same = |before: &&Record| {
        before.fingerprint == now.fingerprint || before.upgraded_configuration(planned.stage, now) == now.configuration
    };
    let last = planned.before.as_ref().filter(|before| before.state == State::Done).filter(is_the_same);
    if let Some(last) = last {
        return Some((last.seconds, "last time".to_owned()));
    }
    let estimate = &context.config.run.estimate;
    let whence = match &estimate.machine {
        Some(machine) => format!("measured with the preset's steps and data on {machine}"),
        None => "of the configuration".to_owned(),
    };
    estimate.seconds.get(planned.stage.name()).map(|secs| (*secs, whence))
}

/// "38 s, 512 MiB".
pub fn cost(record: &Record) -> String {
    match record.peak_memory_mib {
        Some(mib) => format!("{}, {mib:.0} MiB", duration(record.seconds)),
        None => duration(record.seconds),
    }
}

/// What is said at the end of a run.
pub fn summary(records: &[Record], context: &RunContext, report: &Path) -> String {
    let rows = records.iter().map(|record| {
        let memory = record.peak_memory_mib.map_or(String::new(), |mib| format!("{mib:.0}"));
        vec![record.stage.clone(), duration(record.seconds), memory, record.key_figure.clone()]
    });
    let mut text = table(&["stage", "time", "MiB", "key figure"], rows.collect(), usize::MAX);
    let secs: f64 = records.iter().map(|record| record.seconds).sum();
    text.push_str(&format!("\n  {} in all; results are in {}\n", duration(secs), context.run.display()));
    text.push_str(&format!("  report: {}\n", report.display()));
    if records.iter().any(|record| record.stage == Stage::Finetune.name()) {
        text.push_str(&format!("  to serve the policy: vipra serve {}\n", context.folder(Stage::Finetune).display()));
    }
    if let Some(note) = &context.config.run.note {
        text.push_str(&format!("  {note}\n"));
    }
    text
}

/// Writes `summary.json` into the run folder: the records of this run's stages, in order, and of others that were made from
/// them.
///
/// # Errors
/// If it cannot be written, or another stage's record cannot be read.
pub fn write_summary(made: &[Record], context: &RunContext) -> Result<()> {
    let file = context.run.join("summary.json");
    let mut records: Vec<Record> = Vec::new();
    for stage in Stage::ALL {
        let record = match made.iter().find(|record| record.stage == stage.name()) {
            Some(record) => Some(record.clone()),
            None => Record::read(&context.run, stage)?,
        };
        records.extend(record.filter(|record| record.state == State::Done && is_made_from(record, &records)));
    }
    let secs: f64 = records.iter().map(|record| record.seconds).sum();
    let summary = json!({ "version": env!("CARGO_PKG_VERSION"), "seconds": secs, "stages": records });
    Ok(write_atomic(&file, &serde_json::to_vec_pretty(&summary)?)?)
}

fn is_made_from(record: &Record, others: &[Record]) -> bool {
    let is_known = |(name, fingerprint): (&String, &String)| {
        others.iter().any(|other| other.stage == *name && other.fingerprint == *fingerprint)
    };
    record.inputs.iter().all(is_known) && record.other_result(&results(others)).is_none()
}
