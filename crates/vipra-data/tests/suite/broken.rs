//! Datasets with something broken in them, and what is said of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{CAMERA, levels_at, open, write_dataset_v21};
use arrow::array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use vipra_data::OpenOptions;
use vipra_data::check::check;

pub(crate) struct Broken {
    _folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
}

/// A v2.1 dataset, whose files are an episode each, so that one can be broken.
pub(crate) fn broken(change: impl FnOnce(&Path)) -> Broken {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset_v21(&root, &[7, 5, 6]);
    change(&root);
    Broken { _folder: folder, root }
}

pub(crate) const TASKS: [&str; 2] = ["put carrot on plate", "stack the green block"];

pub(crate) const DATA: &str = "data/chunk-000/episode_000001.parquet";

pub(crate) fn video() -> String {
    video_of(1)
}

pub(crate) fn video_of(episode: usize) -> String {
    format!("videos/chunk-000/{CAMERA}/episode_{episode:06}.mp4")
}

/// Rewrites the Parquet file of episode 1.
pub(crate) fn edit_rows(root: &Path, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    edit_file(&root.join(DATA), change);
}

pub(crate) fn edit_file(path: &Path, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let batch = change(batches[0].clone());
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Changes every line of `meta/episodes.jsonl`.
pub(crate) fn edit_episodes(root: &Path, change: impl Fn(&mut serde_json::Value)) {
    let path = root.join("meta/episodes.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.lines().map(|line| {
        let mut episode: serde_json::Value = serde_json::from_str(line).unwrap();
        change(&mut episode);
        episode.to_string()
    });
    fs::write(path, changed.collect::<Vec<_>>().join("\n")).unwrap();
}

/// Takes the instructions out of `meta/episodes.jsonl`.
pub(crate) fn remove_tasks(root: &Path) {
    edit_episodes(root, |episode| drop(episode.as_object_mut().unwrap().remove("tasks")));
}

pub(crate) fn without_column(batch: &RecordBatch, name: &str) -> RecordBatch {
    let at = batch.schema().index_of(name).unwrap();
    let keep: Vec<usize> = (0..batch.num_columns()).filter(|&column| column != at).collect();
    batch.project(&keep).unwrap()
}

/// Puts another column in the place of `name`.
pub(crate) fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns =
        schema.fields().iter().zip(batch.columns()).map(|(field, old)| {
            (field.name().clone(), if field.name() == name { column.clone() } else { old.clone() })
        });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}

/// The message of reading rows and pictures of episode 1, which must name it; the others must read.
pub(crate) fn fault(broken: &Broken) -> String {
    let source = open(&broken.root);
    for episode in [0, 2] {
        source.rows(episode).unwrap();
        levels_at(source.as_ref(), episode, CAMERA, &[0.0, 0.3]).unwrap();
    }
    let rows = source.rows(1).map(drop);
    let pictures = levels_at(source.as_ref(), 1, CAMERA, &[0.0, 0.1, 0.2, 0.3, 0.4]).map(drop);
    let error = rows.and(pictures).unwrap_err();
    assert_eq!(error.episode(), Some(1), "{error}");
    let message = error.to_string();
    assert!(message.contains(&broken.root.display().to_string()), "no path in {message}");

    let report = check(&broken.root, &OpenOptions::default(), 2, &|_, _| {}).unwrap();
    assert!(report.findings.iter().any(|finding| finding.episode == Some(1)), "{report:?}");
    message
}

pub(crate) fn expect(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

pub(crate) fn instructions(root: &Path) -> Vec<Option<String>> {
    open(root).episodes().iter().map(|episode| episode.instruction().map(str::to_owned)).collect()
}
