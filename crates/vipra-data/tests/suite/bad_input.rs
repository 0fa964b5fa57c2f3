//! Broken data: each fault has a name, the path and the episode, and nothing panics.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::broken::{
    DATA, TASKS, broken, edit_episodes, edit_file, edit_rows, expect, fault, instructions, remove_tasks, video,
    with_column, without_column,
};
use crate::common::{CAMERA, edit_info, open, open_error, write_dataset, write_dataset_v21};
use arrow::array::{ArrayRef, Float32Array, Int64Array};
use proptest::prelude::*;
use vipra_data::check::check;
use vipra_data::source::lerobot::Info;
use vipra_data::{OnError, OpenOptions};

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
