//! Broken data: each fault has a name, the path and the episode, and nothing panics.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::{CAMERA, edit_info, levels_at, open, open_error, write_dataset, write_dataset_v21};
use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use vipra_data::check::check;
use vipra_data::clip::{ClipDataset, ClipLoader, LoaderState};
use vipra_data::convert::{ConvertOptions, convert};
use vipra_data::source::ONLY_CAMERA;
use vipra_data::source::lerobot::Info;
use vipra_data::stats::Collector;
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, Error, OnError, OpenOptions, SourceConfig};

struct Broken {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

/// A v2.1 dataset, whose files are an episode each, so that one can be broken.
fn broken(change: impl FnOnce(&Path)) -> Broken {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset_v21(&root, &[7, 5, 6]);
    change(&root);
    Broken { _folder: folder, root }
}

const DATA: &str = "data/chunk-000/episode_000001.parquet";

fn video() -> String {
    video_of(1)
}

fn video_of(episode: usize) -> String {
    format!("videos/chunk-000/{CAMERA}/episode_{episode:06}.mp4")
}

/// Rewrites the Parquet file of episode 1.
fn edit_rows(root: &Path, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    edit_file(&root.join(DATA), change);
}

fn edit_file(path: &Path, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let batch = change(batches[0].clone());
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Changes every line of `meta/episodes.jsonl`.
fn edit_episodes(root: &Path, change: impl Fn(&mut serde_json::Value)) {
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
fn remove_tasks(root: &Path) {
    edit_episodes(root, |episode| drop(episode.as_object_mut().unwrap().remove("tasks")));
}

fn without_column(batch: &RecordBatch, name: &str) -> RecordBatch {
    let at = batch.schema().index_of(name).unwrap();
    let keep: Vec<usize> = (0..batch.num_columns()).filter(|&column| column != at).collect();
    batch.project(&keep).unwrap()
}

/// Puts another column in the place of `name`.
fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns =
        schema.fields().iter().zip(batch.columns()).map(|(field, old)| {
            (field.name().clone(), if field.name() == name { column.clone() } else { old.clone() })
        });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}

/// The message of reading rows and pictures of episode 1, which must name it; the others must read.
fn fault(broken: &Broken) -> String {
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

fn expect(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_truncated_video() {
    for keep in [0, 100, 1500] {
        let broken = broken(|root| {
            let path = root.join(video());
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..keep.min(bytes.len() - 1)]).unwrap();
        });
        expect(&fault(&broken), &["episode_000001.mp4"]);
    }
}

#[test]
fn a_video_of_another_episode_is_too_short() {
    let broken = broken(|root| {
        // Episode 1 has five frames; give it a video of two.
        let short = root.join("short");
        write_dataset_v21(&short, &[2]);
        fs::copy(short.join(video().replace("000001", "000000")), root.join(video())).unwrap();
        fs::remove_dir_all(short).unwrap();
    });
    expect(&fault(&broken), &["no frame at", "episode_000001.mp4"]);
}

#[test]
fn a_missing_file() {
    expect(&fault(&broken(|root| fs::remove_file(root.join(DATA)).unwrap())), &["episode_000001.parquet"]);
    expect(&fault(&broken(|root| fs::remove_file(root.join(video())).unwrap())), &["episode_000001.mp4"]);
}

#[test]
fn a_parquet_file_without_its_end() {
    let broken = broken(|root| {
        let bytes = fs::read(root.join(DATA)).unwrap();
        fs::write(root.join(DATA), &bytes[..bytes.len() / 2]).unwrap();
    });
    expect(&fault(&broken), &["no footer", "episode_000001.parquet"]);
}

#[test]
fn a_column_of_another_type_or_none() {
    let wrong = broken(|root| {
        edit_rows(root, |batch| with_column(&batch, "action", Arc::new(Int64Array::from(vec![1; 5]))));
    });
    expect(&fault(&wrong), &["`action`", "1 values", "[2]"]);
    let gone = broken(|root| edit_rows(root, |batch| without_column(&batch, "action")));
    expect(&fault(&gone), &["`action`", "no such column"]);
}

#[test]
fn rows_that_disagree_with_the_metadata() {
    expect(&fault(&broken(|root| edit_rows(root, |batch| batch.slice(0, 4)))), &["says 5 frames", "has 4"]);
    let other_episode = broken(|root| {
        edit_rows(root, |batch| with_column(&batch, "episode_index", Arc::new(Int64Array::from(vec![9; 5]))));
    });
    expect(&fault(&other_episode), &["no data file has rows of this episode"]);
    let shuffled = broken(|root| {
        edit_rows(root, |batch| with_column(&batch, "frame_index", Arc::new(Int64Array::from(vec![0, 1, 3, 2, 4]))));
    });
    expect(&fault(&shuffled), &["frame_index is 3", "expected 2"]);
}

const TASKS: [&str; 2] = ["put carrot on plate", "stack the green block"];

fn instructions(root: &Path) -> Vec<Option<String>> {
    open(root).episodes().iter().map(|episode| episode.instruction().map(str::to_owned)).collect()
}

#[test]
fn the_instruction_is_that_of_the_rows_where_the_metadata_leaves_it_open() {
    let of_rows = [0, 1, 0].map(|task: usize| Some(TASKS[task].to_owned()));
    let without_any = broken(remove_tasks);
    let both = serde_json::json!([TASKS[1], TASKS[0]]);
    let with_a_set = broken(|root| edit_episodes(root, |episode| episode["tasks"] = both.clone()));
    for set in [without_any, with_a_set] {
        assert_eq!(instructions(&set.root), of_rows);
        let report = check(&set.root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
        assert_eq!(report.findings, []);
    }
    let unreadable = broken(|root| {
        remove_tasks(root);
        fs::remove_file(root.join(DATA)).unwrap();
    });
    assert_eq!(instructions(&unreadable.root)[1], None);
    expect(&fault(&unreadable), &["episode_000001.parquet"]);
}

#[test]
fn tasks_that_rows_and_metadata_do_not_share() {
    let changing = broken(|root| {
        edit_rows(root, |batch| with_column(&batch, "task_index", Arc::new(Int64Array::from(vec![1, 1, 0, 0, 1]))));
    });
    assert_eq!(instructions(&changing.root)[1].as_deref(), Some(TASKS[1]));
    let report = check(&changing.root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings.len(), 2, "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.episode == Some(1)), "{report:?}");
    expect(&report.findings[0].problem, &["the task changes at frame 2", "episode_000001.parquet"]);
    expect(
        &report.findings[1].problem,
        &["the task of frame 2 is \"put carrot on plate\"", "names [\"stack the green block\"]"],
    );

    let without_any = broken(|root| {
        remove_tasks(root);
        edit_info(root, |info| drop(info["features"].as_object_mut().unwrap().remove("task_index")));
        edit_rows(root, |batch| without_column(&batch, "task_index"));
    });
    assert_eq!(instructions(&without_any.root)[1], None);
    let report = check(&without_any.root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(report.findings[0].episode, Some(1));
    expect(&report.findings[0].problem, &["it has no instruction", "episode_000001.parquet"]);
}

#[test]
fn timestamps_that_jump() {
    let broken = broken(|root| {
        let times: ArrayRef = Arc::new(Float32Array::from(vec![0.0, 0.1, 0.2, 0.9, 1.0]));
        edit_rows(root, |batch| with_column(&batch, "timestamp", times));
    });
    expect(&fault(&broken), &["timestamp of frame 3", "0.9", "0.3"]);
}

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
fn an_empty_episode() {
    let broken = broken(|root| {
        let path = root.join("meta/episodes.jsonl");
        let text = fs::read_to_string(&path).unwrap().replace("\"length\":5", "\"length\":0");
        fs::write(path, text).unwrap();
    });
    expect(&open_error(&broken.root), &["episode 1", "no frames"]);
    let options = OpenOptions { on_error: OnError::Skip, ..OpenOptions::default() };
    let source = vipra_data::open(&broken.root, &options).unwrap();
    assert_eq!(source.episodes().len(), 2);
    assert_eq!(source.description().skipped[0].what, "episode 1");
    assert_eq!(source.rows(1).unwrap().length, 6);
}

#[test]
fn metadata_that_makes_no_sense() {
    let message =
        |change: &dyn Fn(&mut serde_json::Value)| open_error(&broken(|root| edit_info(root, |info| change(info))).root);
    expect(&message(&|info| info["fps"] = 0.into()), &["`fps`", "0 is not a rate", "info.json"]);
    expect(&message(&|info| info["fps"] = "fast".into()), &["info.json"]);
    expect(&message(&|info| info["chunks_size"] = 0.into()), &["`chunks_size`"]);
    expect(&message(&|info| info["codebase_version"] = "v4.0".into()), &["v4.0", "v2.1 and v3.0"]);
    expect(&message(&|info| info["storage_format"] = "lance".into()), &["storage_format", "lance"]);
    expect(
        &message(&|info| info["features"]["action"]["shape"] = serde_json::json!([1_u64 << 40, 1_u64 << 40])),
        &["action.shape"],
    );
    expect(&message(&|info| info["data_path"] = "../../{episode_index}.parquet".into()), &["leads out of the dataset"]);
    expect(&message(&|info| info["video_path"] = "/etc/passwd".into()), &["leads out of the dataset"]);
    expect(&message(&|info| info["video_path"] = "a/{nothing}".into()), &["nothing"]);
    expect(&message(&|info| info["video_path"] = serde_json::Value::Null), &["video_path"]);
    let torn = broken(|root| fs::write(root.join("meta/episodes.jsonl"), "{\"episode_index\": 0,\n").unwrap());
    expect(&open_error(&torn.root), &["line 1", "episodes.jsonl"]);
    let wrong_totals = broken(|root| edit_info(root, |info| info["total_frames"] = 99.into()));
    let report = check(&wrong_totals.root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    expect(&report.findings[0].problem, &["total_frames", "99", "18"]);
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

#[test]
fn lengths_and_columns_that_nobody_can_mean() {
    let lines = |length: &str| {
        let text = format!("{{\"episode_index\": 0, \"tasks\": [], \"length\": {length}}}\n");
        broken(|root| fs::write(root.join("meta/episodes.jsonl"), text).unwrap())
    };
    expect(&open_error(&lines("9223372036854775807").root), &["`length`", "9223372036854775807"]);
    let task = "{\"task_index\": 3, \"task\": \"t\"}\n";
    let twice = broken(|root| fs::write(root.join("meta/tasks.jsonl"), task.repeat(2)).unwrap());
    expect(&open_error(&twice.root), &["task_index", "3 is there twice", "tasks.jsonl"]);

    // A column of empty lists flattens to nothing, of pairs to twice as many.
    for width in [0, 2] {
        let lists = broken(|root| {
            let values: ArrayRef = Arc::new(Int64Array::from(vec![0; 5 * width]));
            let field = Arc::new(arrow::datatypes::Field::new("element", arrow::datatypes::DataType::Int64, true));
            let offsets = arrow::buffer::OffsetBuffer::from_lengths([width; 5]);
            let list: ArrayRef = Arc::new(arrow::array::ListArray::new(field, offsets, values, None));
            edit_rows(root, |batch| with_column(&batch, "frame_index", list));
        });
        expect(&fault(&lists), &["`frame_index`", "5 rows, expected one a row"]);
    }
}

#[test]
fn a_version_3_dataset_with_wrong_tables() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[3, 4]);
    let path = root.join("meta/episodes/chunk-000/file-000.parquet");
    let sound = fs::read(&path).unwrap();
    for (name, values, expected) in [
        (format!("videos/{CAMERA}/from_timestamp"), vec![f64::NAN, 0.3], "from_timestamp is NaN"),
        (format!("videos/{CAMERA}/from_timestamp"), vec![0.0, -1.0], "from_timestamp is -1"),
    ] {
        fs::write(&path, &sound).unwrap();
        edit_file(&path, |batch| with_column(&batch, &name, Arc::new(arrow::array::Float64Array::from(values))));
        expect(&open_error(&root), &[expected, "file-000.parquet"]);
    }
    fs::write(&path, &sound).unwrap();
    edit_file(&path, |batch| with_column(&batch, "dataset_from_index", Arc::new(Int64Array::from(vec![0, 2]))));
    let report = check(&root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    expect(&report.findings[0].problem, &["`index`", "begins with 2, the rows with 3"]);
}

#[test]
fn a_version_3_dataset_without_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[3]);
    fs::remove_file(root.join("meta/tasks.parquet")).unwrap();
    expect(&open_error(&root), &["tasks.parquet"]);
    let report = check(&root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    expect(&report.findings[0].problem, &["tasks.parquet"]);
}

#[test]
fn folders_that_are_no_dataset() {
    let folder = tempfile::tempdir().unwrap();
    expect(&open_error(folder.path()), &["neither a LeRobot dataset"]);
    expect(&open_error(&folder.path().join("nothing")), &["nothing"]);
    fs::create_dir(folder.path().join("meta_data")).unwrap();
    expect(&open_error(folder.path()), &["v1", "not supported"]);
}

/// The header of a PNG of 40000×40000 pixels, and no pixels.
fn huge_png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    for side in [40000_u32, 40000] {
        bytes.extend(side.to_be_bytes());
    }
    bytes.extend([8, 2, 0, 0, 0]);
    let mut crc = !0_u32;
    for byte in &bytes[12..] {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 });
    }
    bytes.extend((!crc).to_be_bytes());
    bytes.extend([0, 0, 0, 0, b'I', b'D', b'A', b'T', 0, 0, 0, 0]);
    bytes
}

#[test]
fn a_huge_picture_is_refused_by_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("episode");
    fs::create_dir(&pictures).unwrap();
    crate::common::solid(8, 8, 9).save_png(&pictures.join("0000.png")).unwrap();
    fs::write(pictures.join("0001.png"), huge_png()).unwrap();
    let options = OpenOptions { fps: Some(5.0), ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    let error = levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.0, 0.2]).unwrap_err();
    expect(&error.to_string(), &["episode 0", "40000×40000", "0001.png"]);
}

#[test]
fn broken_videos_in_a_folder_stop_or_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(crate::common::fixture("videos/vp9.webm"), folder.path().join("a.webm")).unwrap();
    fs::write(folder.path().join("b.mp4"), b"not a video").unwrap();
    expect(&open_error(folder.path()), &["episode 1", "b.mp4"]);
    let options = OpenOptions { on_error: OnError::Skip, ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    assert_eq!(source.episodes().len(), 1);
    expect(&source.description().skipped[0].what, &["b.mp4"]);
}

/// Two folders of two frames each.
fn frame_folders() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for episode in ["a", "b"] {
        fs::create_dir(folder.path().join(episode)).unwrap();
        for frame in 0..2 {
            let path = folder.path().join(format!("{episode}/{frame}.png"));
            crate::common::solid(8, 6, 40 * frame).save_png(&path).unwrap();
        }
    }
    folder
}

#[test]
fn a_damaged_picture_is_a_fault_of_its_frame() {
    let folder = frame_folders();
    fs::write(folder.path().join("a/0.png"), "no picture").unwrap();
    let options = OpenOptions { fps: Some(5.0), ..OpenOptions::default() };
    let source = vipra_data::open(folder.path(), &options).unwrap();
    assert_eq!(source.description().features[ONLY_CAMERA].picture_size(), Some((8, 6)));
    assert_eq!(levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.2]).unwrap(), [40.0]);
    let error = levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.0]).unwrap_err();
    expect(&error.to_string(), &["episode 0", "a/0.png"]);
}

#[test]
fn frame_folders_without_a_picture_that_can_be_read_stop_or_are_listed() {
    let folder = frame_folders();
    (0..2).for_each(|frame| fs::write(folder.path().join(format!("a/{frame}.png")), "no picture").unwrap());
    let with = |on_error| {
        let options = OpenOptions { fps: Some(5.0), on_error, ..OpenOptions::default() };
        vipra_data::open(folder.path(), &options)
    };
    let error = with(OnError::Stop).err().unwrap();
    expect(&error.to_string(), &["episode 0", "a/0.png"]);
    let source = with(OnError::Skip).unwrap();
    assert_eq!((source.episodes().len(), source.episodes()[0].name.as_str()), (1, "b"));
    assert_eq!(source.description().features[ONLY_CAMERA].picture_size(), Some((8, 6)));
    let skipped = &source.description().skipped;
    assert!(skipped.len() == 1 && skipped[0].what.ends_with("/a") && skipped[0].reason.contains("a/0.png"));
    assert_eq!(levels_at(source.as_ref(), 0, ONLY_CAMERA, &[0.2]).unwrap(), [40.0]);
}

fn loader(root: &Path, on_error: OnError, skip_limit: usize) -> ClipLoader {
    let mut config = DataConfig { sources: vec![SourceConfig::new(root)], on_error, skip_limit, ..Default::default() };
    config.clip.frames = 3;
    config.clip.interval_secs = 0.1;
    config.sources[0].camera = Some(CAMERA.into());
    let dataset = ClipDataset::open(config, &|_, _| {}).unwrap();
    ClipLoader::start(Arc::new(dataset), LoaderState::default()).unwrap()
}

#[test]
fn broken_clips_stop_or_are_counted_up_to_a_limit() {
    let broken = broken(|root| fs::remove_file(root.join(video())).unwrap());
    let mut stopping = loader(&broken.root, OnError::Stop, 0);
    let error = (0..20).find_map(|_| stopping.next_clip().err()).unwrap();
    assert_eq!(error.episode(), Some(1));

    let mut skipping = loader(&broken.root, OnError::Skip, 100);
    for _ in 0..20 {
        assert_ne!(skipping.next_clip().unwrap().address.episode, 1);
    }
    assert!(!skipping.skipped().is_empty());
    expect(&skipping.skipped()[0].reason, &["episode 1", "episode_000001.mp4"]);
    // One broken episode is one entry, however many clips it would have given.
    assert!(skipping.skipped().len() == 1 && skipping.skipped_clips() > 1);

    let mut limited = loader(&broken.root, OnError::Skip, 0);
    let error = (0..40).find_map(|_| limited.next_clip().err()).unwrap();
    assert!(matches!(error, Error::Invalid(_)));
    expect(&error.to_string(), &["more than 0 episodes", "skip_limit", "episode_000001.mp4"]);
}

#[test]
fn a_loader_gives_up_once_no_clip_of_an_epoch_can_be_read() {
    let without_videos = |episodes: &[usize]| {
        broken(|root| episodes.iter().for_each(|&episode| fs::remove_file(root.join(video_of(episode))).unwrap()))
    };
    let none_left = without_videos(&[0, 1, 2]);
    let error = loader(&none_left.root, OnError::Skip, 100).next_clip().unwrap_err().to_string();
    expect(&error, &["no clip of a whole epoch", "episode_000000.mp4", "episode_000001.mp4", "episode_000002.mp4"]);

    let one_left = without_videos(&[0, 1]);
    let mut skipping = loader(&one_left.root, OnError::Skip, 100);
    assert!((0..60).all(|_| skipping.next_clip().unwrap().address.episode == 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_metadata_never_panics(position in 0.0..1.0_f64, byte: u8, cut: bool) {
        let text = include_str!("../fixtures/info.json");
        let mut bytes = text.as_bytes().to_vec();
        let at = (position * bytes.len() as f64) as usize;
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(info) = Info::parse(&text, Path::new("info.json")) {
            let _ = info.split_ranges();
            info.features.values().for_each(|feature| {
                let _ = (feature.dimension_names(), feature.picture_size(), feature.is_depth());
            });
        }
    }

    #[test]
    fn damaged_rows_never_panic(position in 0.0..1.0_f64, byte: u8, cut: bool) {
        let damaged = damaged_rows(position, byte, cut);
        let source = open(damaged.path());
        let _ = source.rows(0);
    }
}

#[test]
fn a_column_before_the_beginning_of_its_file_is_said_to_be_damaged() {
    // Somewhere in the footer stands the offset; this byte makes it negative.
    let reasons = (50..100).flat_map(|percent| (0..20).map(move |part| f64::from(percent * 20 + part) / 2000.0));
    let mut reasons = reasons.filter_map(|position| open(damaged_rows(position, 129, false).path()).rows(0).err());
    assert!(reasons.any(|error| error.to_string().contains("a negative number")));
}

/// A small dataset with one byte of its Parquet file changed, or its end cut off.
fn damaged_rows(position: f64, byte: u8, cut: bool) -> tempfile::TempDir {
    use std::sync::OnceLock;
    static SOUND: OnceLock<tempfile::TempDir> = OnceLock::new();
    let sound = SOUND.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        write_dataset_v21(folder.path(), &[3]);
        folder
    });
    let folder = tempfile::tempdir().unwrap();
    let data = "data/chunk-000/episode_000000.parquet";
    for file in ["meta/info.json", "meta/episodes.jsonl", "meta/tasks.jsonl", data] {
        fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
        fs::copy(sound.path().join(file), folder.path().join(file)).unwrap();
    }
    let mut bytes = fs::read(folder.path().join(data)).unwrap();
    let at = (position * bytes.len() as f64) as usize;
    if cut {
        bytes.truncate(at)
    } else {
        bytes[at] = byte
    }
    fs::write(folder.path().join(data), bytes).unwrap();
    folder
}
