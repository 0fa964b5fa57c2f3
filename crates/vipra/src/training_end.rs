//! What commands that train say at the end.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use vipra_train::Scalars;

use crate::output::{short, table};
use crate::run_folder::RunFolder;

/// What is said of a run that was asked to stop.
pub fn stopped(step: u64, checkpoint: &Path) -> String {
    format!("stopped after step {step}, kept in {}; the same command goes on from there\n", checkpoint.display())
}

/// Numbers by name.
pub fn as_json(scalars: &Scalars) -> Map<String, Value> {
    scalars.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
}

/// Writes what came of a run into its folder.
///
/// # Errors
/// If it cannot be written.
pub fn write_summary(folder: &RunFolder, summary: &Value) -> Result<()> {
    let file = folder.file("summary.json");
    std::fs::write(&file, serde_json::to_string_pretty(summary)?).with_context(|| format!("writing {}", file.display()))
}

/// Held-out numbers with what they mean: (name, meaning).
pub fn held_out_table(validation: &Scalars, rows: &[(&str, &str)]) -> String {
    let rows = rows
        .iter()
        .filter_map(|(name, meaning)| Some(vec![(*name).to_owned(), number(validation, name)?, (*meaning).to_owned()]));
    table(&["held out", "", ""], rows.collect(), usize::MAX)
}

/// Held-out numbers beside what they have to beat: (name, name of the baseline, meaning).
pub fn baseline_table(validation: &Scalars, rows: &[(&str, &str, &str)]) -> String {
    let rows = rows.iter().filter_map(|(name, baseline, meaning)| {
        let baseline = number(validation, baseline).unwrap_or_default();
        Some(vec![(*name).to_owned(), number(validation, name)?, baseline, (*meaning).to_owned()])
    });
    table(&["held out", "model", "baseline", ""], rows.collect(), usize::MAX)
}

fn number(validation: &Scalars, name: &str) -> Option<String> {
    validation.iter().find(|(known, _)| known == name).map(|(_, value)| short(*value))
}
