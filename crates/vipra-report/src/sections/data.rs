//! Datasets of the run, and clips of them.

use std::ffi::OsStr;
use std::path::Path;

use maud::{Markup, html};
use serde_json::Value;
use vipra_page::{Picture, short, table};

use super::strip;
use crate::read::{files, folders, json};
use crate::{Result, StageRecord, layout};

/// Folders below `data` that a dataset is looked for in.
const DEEPEST: usize = 3;

pub(super) fn body(run: &Path, records: &[(String, StageRecord)]) -> Result<Option<Markup>> {
    let folder = run.join(layout::DATA);
    let mut rows = Vec::new();
    datasets(&folder, "", DEEPEST, &mut rows)?;
    for (name, record) in records {
        // What the run did not record itself lies elsewhere.
        if layout::DATA_STAGES.contains(&name.as_str()) && !folder.join(name).is_dir() {
            rows.extend(elsewhere(name, record));
        }
    }
    let mut sheets = Vec::new();
    for file in files(&folder, "png")? {
        sheets.push((called(file.file_stem()), Picture::read(&file)?));
    }
    for inner in folders(&folder)? {
        let file = inner.join(layout::CONTACT_SHEET);
        if file.is_file() {
            sheets.push((called(inner.file_name()), Picture::read(&file)?));
        }
    }
    if rows.is_empty() && sheets.is_empty() {
        return Ok(None);
    }
    Ok(Some(html! {
        @if !rows.is_empty() {
            (table(&["dataset", "episodes", "frames", "time", "frames a second", "tasks", "actions"], &rows))
        }
        @if !sheets.is_empty() {
            p { "Clips as the models see them, one a row." }
            @for (name, sheet) in &sheets { (strip(sheet, name)) }
        }
    }))
}

/// A row for data that the run was given; None if the stage is none of data.
fn elsewhere(stage: &str, record: &StageRecord) -> Option<Vec<Markup>> {
    let datasets = record.figures.get("datasets")?.as_array()?;
    let names = datasets.iter().filter_map(|path| Path::new(path.as_str()?).file_name());
    let names: Vec<String> = names.map(|name| called(Some(name))).collect();
    let number = |name: &str| record.figures.get(name).and_then(Value::as_f64);
    let count = |name: &str| number(name).map_or("–".to_owned(), |count| format!("{count:.0}"));
    let minutes = number("video_secs").map_or("–".to_owned(), |secs| format!("{:.1} min", secs / 60.0));
    let rates = record.figures.get("fps").and_then(Value::as_array).into_iter().flatten();
    let rates = match rates.filter_map(Value::as_f64).collect::<Vec<_>>()[..] {
        [] => "–".to_owned(),
        [one] => short(one),
        [first, .., last] => format!("{} to {}", short(first), short(last)),
    };
    // Of videos no actions are read, whether or not there are some.
    let actions = if stage == layout::VIDEOS { "not read" } else { "yes" }.to_owned();
    let name = format!("{stage}: {}", names.join(", "));
    let cells = [name, count("episodes"), count("frames"), minutes, rates, count("tasks"), actions];
    Some(cells.into_iter().map(|cell| html! { (cell) }).collect())
}

/// A row for each LeRobot dataset.
fn datasets(folder: &Path, name: &str, depth: usize, rows: &mut Vec<Vec<Markup>>) -> Result<()> {
    let info = folder.join(layout::DATASET_INFO);
    if info.is_file() {
        let facts = json(&info)?;
        let number = |name: &str| facts[name].as_f64();
        let count = |name: &str| number(name).map_or("–".to_owned(), |count| format!("{count:.0}"));
        let minutes = number("total_frames").zip(number("fps")).map(|(frames, fps)| frames / fps / 60.0);
        let has_actions = facts["features"].as_object().is_some_and(|features| features.contains_key("action"));
        let cells = [
            name.to_owned(),
            count("total_episodes"),
            count("total_frames"),
            minutes.map_or("–".to_owned(), |minutes| format!("{minutes:.1} min")),
            count("fps"),
            count("total_tasks"),
            if has_actions { "yes" } else { "no" }.to_owned(),
        ];
        rows.push(cells.into_iter().map(|cell| html! { (cell) }).collect());
        return Ok(());
    }
    if depth > 0 {
        for inner in folders(folder)? {
            let inner_name = called(inner.file_name());
            let inner_name = if name.is_empty() { inner_name } else { format!("{name}/{inner_name}") };
            datasets(&inner, &inner_name, depth - 1, rows)?;
        }
    }
    Ok(())
}

fn called(name: Option<&OsStr>) -> String {
    name.unwrap_or_default().to_string_lossy().into_owned()
}
