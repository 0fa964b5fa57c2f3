//! What is wrong with a dataset and concerns only who asks for it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::broken::{
    TASKS, broken, edit_file, edit_rows, expect, fault, instructions, remove_tasks, video, with_column, without_column,
};
use crate::common::{CAMERA, edit_info, open, open_error};
use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use vipra_data::OpenOptions;
use vipra_data::check::check;
use vipra_data::convert::{ConvertOptions, convert};
use vipra_data::stats::Collector;
use vipra_data::video::DecoderPool;

/// An `action` of episode 1 that is not a number in frame 2.
fn with_nan(batch: &RecordBatch) -> RecordBatch {
    let field = Arc::new(arrow::datatypes::Field::new("element", arrow::datatypes::DataType::Float32, true));
    let values: ArrayRef = Arc::new(Float32Array::from_iter((0..10).map(|i| if i == 5 { f32::NAN } else { 0.0 })));
    let list = arrow::array::FixedSizeListArray::new(field, 2, values, None);
    with_column(batch, "action", Arc::new(list))
}

#[test]
fn numbers_that_are_none() {
    let broken = broken(|root| edit_rows(root, |batch| with_nan(&batch)));
    expect(&fault(&broken), &["`action`", "NaN", "frame 2"]);
}

/// Of episode 1 `action` is no number, `clock` has no column, and texts of `note` are missing.
fn with_bad_columns(root: &Path) {
    let no_notes: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 5]));
    edit_rows(root, |batch| without_column(&with_column(&with_nan(&batch), "note", no_notes), "clock"));
}

#[test]
fn a_bad_column_is_nothing_to_who_does_not_want_it() {
    let broken = broken(with_bad_columns);
    let source = open(&broken.root);
    let wanted = source.rows_of(1, &["observation.state", "level"]).unwrap();
    let expected = crate::common::rows(1, 5);
    assert_eq!((wanted.length, wanted.columns.len()), (5, 2));
    assert!(wanted.columns.iter().all(|(name, column)| *column == expected.columns[name]));
    assert_eq!(source.rows_of(1, &[]).unwrap().length, 5);
    for (name, parts) in [
        ("action", &["episode 1", "`action`", "NaN", "000001.parquet"][..]),
        ("clock", &["episode 1", "`clock`", "no such column", "000001.parquet"][..]),
        ("note", &["episode 1", "`note`", "5 values are missing", "000001.parquet"][..]),
        (CAMERA, &["front`", "\"video\"", "not read as rows"][..]),
        ("nothing", &["no feature named `nothing`", "observation.state"][..]),
    ] {
        expect(&source.rows_of(1, &[name]).unwrap_err().to_string(), parts);
    }
    assert!(source.rows(1).is_err());

    let mut collector = Collector::default();
    let mut add = |episode: usize| {
        let faulty = collector.add_episode(source.as_ref(), episode, &[], &mut DecoderPool::new(1)).unwrap();
        faulty.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!((add(0), add(1)), (vec![], vec!["action".to_owned(), "clock".to_owned()]));
    let stats = collector.finish();
    assert_eq!((stats["observation.state"].count, stats["action"].count), (12, 7));
}

#[test]
fn statistics_have_all_of_an_episode_or_nothing() {
    let broken = broken(|root| fs::remove_file(root.join(video())).unwrap());
    let mut collector = Collector::default();
    let error = collector.add_episode(open(&broken.root).as_ref(), 1, &[CAMERA], &mut DecoderPool::new(1)).unwrap_err();
    expect(&error.to_string(), &["episode 1", "episode_000001.mp4"]);
    assert!(collector.finish().is_empty());
}

#[test]
fn a_bad_column_does_not_hide_a_broken_video() {
    let broken = broken(|root| {
        with_bad_columns(root);
        fs::write(root.join(video()), "no video").unwrap();
    });
    let report = check(&broken.root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert!(report.findings.iter().all(|finding| finding.episode == Some(1)), "{report:?}");
    for part in ["`action`", "`clock`", "`note`", "episode_000001.mp4"] {
        assert!(report.findings.iter().any(|finding| finding.problem.contains(part)), "no {part} in {report:?}");
    }
    // The pictures that are stored beside the rows, and the videos of the others.
    assert_eq!(report.frames, 7 + 6 + 7 + 5 + 6);
}

#[test]
fn what_nobody_asks_for_may_make_no_sense() {
    let broken = broken(|root| {
        edit_info(root, |info| {
            info["features"]["action"]["dtype"] = "complex64".into();
            info["features"]["extra"] = serde_json::json!({"dtype": "float", "shape": [1], "names": null});
            info["splits"] = serde_json::json!({"train": "0:2", "val": "2:", "test": 7});
        });
    });
    let source = open(&broken.root);
    let rows = source.rows(1).unwrap();
    assert!(rows.columns.contains_key("matrix"));
    assert!(!rows.columns.contains_key("action") && !rows.columns.contains_key("extra"));
    expect(&source.rows_of(1, &["action"]).unwrap_err().to_string(), &["`action`", "\"complex64\"", "set"]);

    let split = |name: &str| source.description().split(Some(name), source.episodes());
    assert_eq!(split("train").unwrap(), [0, 1]);
    expect(&split("val").unwrap_err().to_string(), &["splits.val", "\"2:\" is not like", "info.json"]);
    expect(&split("test").unwrap_err().to_string(), &["splits.test", "\"7\""]);
    expect(&split("other").unwrap_err().to_string(), &["no split named `other`", "train"]);

    let report = check(&broken.root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings.len(), 4, "{report:?}");
    for part in ["splits.test", "splits.val", "features.action.dtype", "features.extra.dtype"] {
        assert!(report.findings.iter().any(|finding| finding.problem.contains(part)), "no {part} in {report:?}");
    }

    // What cannot be written is left out of a conversion.
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    convert(source.as_ref(), &target, &ConvertOptions::default(), &|_, _| {}).unwrap();
    let features = open(&target).description().features.clone();
    assert!(features.contains_key("matrix") && !features.contains_key("action") && !features.contains_key("extra"));
}

#[test]
fn facts_of_a_video_may_stand_under_both_of_their_names() {
    let both = broken(|root| {
        edit_info(root, |info| {
            let camera = &mut info["features"][CAMERA];
            camera["video_info"] = camera["info"].clone();
            camera["info"] = serde_json::json!({});
        });
    });
    let source = open(&both.root);
    let codec = source.description().features[CAMERA].video_fact("codec").and_then(|codec| codec.as_str());
    assert_eq!(codec, Some("h264"));
}

#[test]
fn numbers_of_tasks_may_be_left_out_in_version_21() {
    let gap = broken(|root| {
        let line = |number: usize, task: &str| serde_json::json!({"task_index": number, "task": task}).to_string();
        fs::write(root.join("meta/tasks.jsonl"), format!("{}\n{}\n", line(7, TASKS[1]), line(0, TASKS[0]))).unwrap();
        edit_rows(root, |batch| with_column(&batch, "task_index", Arc::new(Int64Array::from(vec![7; 5]))));
        remove_tasks(root);
    });
    let source = open(&gap.root);
    assert_eq!(source.description().tasks, TASKS);
    assert_eq!([0, 1, 7, -1].map(|number| source.task(number)), [Some(TASKS[0]), None, Some(TASKS[1]), None]);
    assert_eq!(instructions(&gap.root), [0, 1, 0].map(|task: usize| Some(TASKS[task].to_owned())));
    let report = check(&gap.root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings, []);

    // They are counted anew where it is written.
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    convert(source.as_ref(), &target, &ConvertOptions::default(), &|_, _| {}).unwrap();
    assert_eq!(instructions(&target), instructions(&gap.root));
    assert_eq!(open(&target).task(1), Some(TASKS[1]));

    // In version 3.0 the lerobot library goes by their places.
    edit_file(&target.join("meta/tasks.parquet"), |batch| {
        with_column(&batch, "task_index", Arc::new(Int64Array::from(vec![0, 2])))
    });
    expect(&open_error(&target), &["task_index", "2 follows where 1 should", "tasks.parquet"]);
}
