//! What the writer writes is what the reader reads, also after a crash.

use std::fs;
use std::path::Path;

use crate::common::{CAMERA, STORED, grey, levels, open, options, record, rows, solid, write_dataset};
use vipra_data::check::check;
use vipra_data::source::Skipped;
use vipra_data::source::lerobot::Info;
use vipra_data::writer::DatasetWriter;
use vipra_data::{DType, Feature, Layout, OpenOptions, Rows, Source, Values, stats};

fn assert_holds(source: &dyn Source, lengths: &[usize]) {
    let found: Vec<usize> = source.episodes().iter().map(|episode| episode.length).collect();
    assert_eq!(found, lengths);
    for (episode, &length) in lengths.iter().enumerate() {
        let read = source.rows(episode).unwrap();
        for (name, column) in &rows(episode, length).columns {
            assert_eq!(&read.columns[name], column, "{name} of episode {episode}");
        }
        let tasks = ["put carrot on plate", "stack the green block"];
        assert_eq!(source.episodes()[episode].instruction(), Some(tasks[episode % 2]));
        for (frame, level) in levels(source, episode, CAMERA).into_iter().enumerate() {
            assert!((level - f64::from(grey(episode, frame))).abs() <= 2.0, "episode {episode} frame {frame}: {level}");
        }
        let stored = levels(source, episode, STORED);
        assert!(stored.iter().enumerate().all(|(frame, &level)| level == f64::from(grey(episode, frame))));
    }
}

fn assert_sound(root: &Path) {
    let report = check(root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert_eq!(report.findings, []);
}

fn files(root: &Path, extension: &str) -> usize {
    let entries = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    entries.filter(|entry| entry.path().extension().is_some_and(|found| found == extension)).count()
}

#[test]
fn every_kind_of_feature_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[7, 5, 6]);
    let source = open(&root);
    assert_eq!(source.description().layout, Layout::LerobotV30);
    assert_eq!(source.description().robot_type.as_deref(), Some("testbot"));
    assert_holds(source.as_ref(), &[7, 5, 6]);
    assert_sound(&root);
    assert_eq!((files(&root, "mp4"), files(&root, "parquet")), (1, 3));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the dataset");
}

#[test]
fn statistics_are_of_all_rows_with_true_quantiles() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[7, 5, 6]);
    let stats = stats::read(&root.join("meta/stats.json")).unwrap();
    let state = &stats["observation.state"];
    assert_eq!(state.count, 18);
    assert!((state.max[0] - 2.5).abs() < 1e-6 && state.min[0] == 0.0);
    // Sorted values: 0.0 … 0.6, 1.0 … 1.4, 2.0 … 2.5; numpy puts the median of 18 between the 9th and the 10th.
    assert!((state.q50[0] - 1.15).abs() < 1e-6, "{state:?}");
    assert!((state.q99[0] - (2.4 + 0.83 * 0.1)).abs() < 1e-6, "{state:?}");
    let picture = &stats[STORED];
    assert_eq!(picture.count, 18);
    assert!((picture.max[0] - f64::from(grey(2, 5)) / 255.0).abs() < 1e-12);
    let text = fs::read_to_string(root.join("meta/stats.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json[STORED]["mean"].as_array().unwrap().len(), 3);
    assert!(json[STORED]["mean"][0][0][0].is_f64());
    assert_eq!(json["matrix"]["mean"][1].as_array().unwrap().len(), 3);
}

#[test]
fn files_roll_over_at_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let mut small = options();
    (small.data_file_size_mb, small.video_file_size_mb) = (0, 0);
    let mut writer = DatasetWriter::create(&root, small).unwrap();
    (0..3).for_each(|episode| record(&mut writer, episode, 4).unwrap());
    writer.finish(&[("train".into(), 0..2), ("val".into(), 2..3)]).unwrap();
    assert_eq!((files(&root.join("videos"), "mp4"), files(&root.join("data"), "parquet")), (3, 3));
    let source = open(&root);
    assert_holds(source.as_ref(), &[4, 4, 4]);
    assert_eq!(source.description().splits["val"], 2..3);
}

#[test]
fn an_interrupted_recording_is_readable_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (root, straight) = (folder.path().join("set"), folder.path().join("straight"));
    let mut writer = DatasetWriter::create(&root, options()).unwrap();
    assert_eq!(open(&root).episodes().len(), 0);
    record(&mut writer, 0, 7).unwrap();
    record(&mut writer, 1, 5).unwrap();
    let mut third = writer.begin_episode("put carrot on plate").unwrap();
    third.push(CAMERA, &solid(64, 48, 0)).unwrap();
    // What a killed process leaves: nothing of this runs on drop, but for the lock, which the system lets go.
    drop(third);
    assert!(DatasetWriter::resume(&root, options()).err().unwrap().to_string().contains("another process"));
    drop(writer);

    assert_holds(open(&root).as_ref(), &[7, 5]);
    assert!(open(&root).description().unfinished);
    let report = check(&root, &OpenOptions::default(), 1, &|_, _| {}).unwrap();
    assert!(report.findings.len() == 1 && report.findings[0].problem.contains("not finished"), "{report:?}");
    assert!(DatasetWriter::create(&root, options()).err().unwrap().to_string().contains("interrupted"));
    let mut other = options();
    other.robot_type = None;
    assert!(DatasetWriter::resume(&root, other).err().unwrap().to_string().contains("another recording"));

    // An episode whose files were put in place, but not its row of the metadata.
    let orphan = root.join("data/chunk-000/file-002.parquet");
    fs::copy(root.join("data/chunk-000/file-001.parquet"), &orphan).unwrap();
    let mut writer = DatasetWriter::resume(&root, options()).unwrap();
    assert_eq!(writer.episodes(), 2);
    assert!(!orphan.exists());
    record(&mut writer, 2, 6).unwrap();
    writer.finish(&[]).unwrap();
    assert_holds(open(&root).as_ref(), &[7, 5, 6]);
    assert_sound(&root);

    write_dataset(&straight, &[7, 5, 6]);
    assert_same_files(&root, &straight);
}

/// Every file but the videos, whose encoders need not be the same to the bit.
fn assert_same_files(a: &Path, b: &Path) {
    let list = |root: &Path| {
        let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path());
        files.map(|file| file.strip_prefix(root).unwrap().to_path_buf()).collect::<Vec<_>>()
    };
    assert_eq!(list(a), list(b));
    for file in list(a).into_iter().filter(|file| file.extension().is_none_or(|extension| extension != "mp4")) {
        assert!(fs::read(a.join(&file)).unwrap() == fs::read(b.join(&file)).unwrap(), "{} differs", file.display());
    }
}

#[test]
fn instructions_are_written_when_there_are_new_ones_and_known_from_the_episodes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let table = root.join("meta/tasks.parquet");
    let file = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&table).unwrap());
    let mut writer = DatasetWriter::create(&root, options()).unwrap();
    record(&mut writer, 0, 3).unwrap();
    let (first, of_first) = (fs::read(&table).unwrap(), file());
    record(&mut writer, 2, 4).unwrap();
    assert_eq!(file(), of_first, "there was no new one");
    record(&mut writer, 1, 5).unwrap();
    assert_ne!(file(), of_first);
    drop(writer);

    // A table that lags behind, as that of a long recording may.
    fs::write(&table, first).unwrap();
    let tasks = ["put carrot on plate", "stack the green block"];
    assert_eq!(open(&root).description().tasks, tasks);
    let mut writer = DatasetWriter::resume(&root, options()).unwrap();
    record(&mut writer, 3, 6).unwrap();
    writer.finish(&[]).unwrap();
    let source = open(&root);
    assert_eq!(source.description().tasks, tasks);
    let instructions: Vec<_> = source.episodes().iter().map(|episode| episode.instruction().unwrap()).collect();
    assert_eq!(instructions, [tasks[0], tasks[0], tasks[1], tasks[1]]);
    assert_sound(&root);
}

#[test]
fn what_died_before_its_first_episode_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    // Before it had written what it is; and after that, with other options.
    fs::create_dir_all(root.join(".recording")).unwrap();
    let mut other = options();
    other.robot_type = None;
    drop(DatasetWriter::create(&root, other).unwrap());
    fs::create_dir_all(folder.path().join(".set.finishing/data")).unwrap();
    write_dataset(&root, &[3]);
    assert_holds(open(&root).as_ref(), &[3]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    fs::write(folder.path().join("file"), "x").unwrap();
    let refused = |path: &Path| DatasetWriter::create(path, options()).err().unwrap().to_string();
    assert!(refused(&folder.path().join("file")).contains("this is a file"));
    assert!(refused(&root).contains("a finished dataset lies here"));
    assert!(refused(folder.path()).contains("not empty"));
    assert!(refused(Path::new("/proc")).contains("mount point"));
}

#[test]
fn a_link_to_a_folder_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    write_dataset(&link, &[3]);
    assert!(link.is_symlink());
    assert_holds(open(&real).as_ref(), &[3]);
}

#[test]
fn a_dropped_episode_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let mut writer = DatasetWriter::create(&root, options()).unwrap();
    writer.begin_episode("no").unwrap().push(CAMERA, &solid(64, 48, 0)).unwrap();
    record(&mut writer, 0, 3).unwrap();
    writer.finish(&[]).unwrap();
    let source = open(&root);
    assert_holds(source.as_ref(), &[3]);
    assert_eq!(source.description().tasks, ["put carrot on plate"]);
}

#[test]
fn what_is_skipped_stays_listed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let broken = Skipped { what: "episode 7".into(), reason: "no such file".into() };
    let mut writer = DatasetWriter::create(&root, options()).unwrap();
    writer.skip(broken.clone()).unwrap();
    drop(writer);
    // It never got to an episode: the next one begins anew.
    let mut writer = DatasetWriter::create(&root, options()).unwrap();
    assert_eq!(writer.skipped(), []);
    record(&mut writer, 0, 3).unwrap();
    writer.skip(broken.clone()).unwrap();
    drop(writer);
    let writer = DatasetWriter::resume(&root, options()).unwrap();
    assert_eq!(writer.skipped(), std::slice::from_ref(&broken));
    writer.finish(&[]).unwrap();
    assert_eq!(DatasetWriter::finished_skipped(&root).unwrap(), [broken]);
    assert_sound(&root);
}

#[test]
fn each_frame_can_have_an_instruction() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let mut writer = DatasetWriter::create(&root, options()).unwrap();
    record(&mut writer, 1, 3).unwrap();
    let mut recording = writer.begin_episode("unused").unwrap();
    for frame in 0..3 {
        recording.push(CAMERA, &solid(64, 48, frame)).unwrap();
        recording.push(STORED, &solid(9, 7, frame)).unwrap();
    }
    let mut rows = rows(0, 3);
    rows.insert("task", 1, Values::Text(["a", "stack the green block", "a"].map(String::from).to_vec())).unwrap();
    recording.finish(&rows).unwrap();
    writer.finish(&[]).unwrap();
    let source = open(&root);
    assert_eq!(source.description().tasks, ["stack the green block", "a"]);
    assert_eq!(source.rows(1).unwrap().columns["task_index"].values, Values::I64(vec![1, 0, 1]));
    assert_eq!(source.episodes()[1].tasks, ["a", "stack the green block"]);
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = DatasetWriter::create(&folder.path().join("set"), options()).unwrap();
    let mut fails = |fill: &dyn Fn(&mut Rows), frames: usize| {
        let mut recording = writer.begin_episode("t").unwrap();
        for _ in 0..frames {
            recording.push(CAMERA, &solid(64, 48, 0)).unwrap();
            recording.push(STORED, &solid(9, 7, 0)).unwrap();
        }
        let mut rows = rows(0, 3);
        fill(&mut rows);
        recording.finish(&rows).unwrap_err().to_string()
    };
    let expect = |message: String, parts: &[&str]| {
        assert!(parts.iter().all(|part| message.contains(part)) && message.contains("episode 0"), "{message}");
    };
    expect(fails(&|_| {}, 2), &["2 pictures", "3 rows"]);
    expect(fails(&|rows| drop(rows.columns.shift_remove("action")), 3), &["`action`"]);
    expect(fails(&|rows| rows.insert("extra", 1, Values::I64(vec![0; 3])).unwrap(), 3), &["`extra`", "not a feature"]);
    let nan = |rows: &mut Rows| rows.insert("action", 2, Values::F32(vec![0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0])).unwrap();
    expect(fails(&nan, 3), &["`action`", "NaN", "frame 1"]);
    let wrong_type = |rows: &mut Rows| rows.insert("clock", 1, Values::F32(vec![0.0; 3])).unwrap();
    expect(fails(&wrong_type, 3), &["`clock`", "int64"]);
    let too_large = |rows: &mut Rows| rows.insert("level", 1, Values::I64(vec![0, 256, 0])).unwrap();
    expect(fails(&too_large, 3), &["`level`", "256"]);

    let mut recording = writer.begin_episode("t").unwrap();
    let error = recording.push(CAMERA, &solid(32, 48, 0)).unwrap_err().to_string();
    assert!(error.contains("32×48") && error.contains("64×48"), "{error}");
    let error = recording.push("front", &solid(64, 48, 0)).unwrap_err().to_string();
    assert!(error.contains(CAMERA), "{error}");
    drop(recording);
    record(&mut writer, 0, 3).unwrap();
    writer.finish(&[]).unwrap();
    // Episodes that failed left nothing behind, their instructions included.
    assert_eq!(open(&folder.path().join("set")).description().tasks, ["put carrot on plate"]);
    let empty = DatasetWriter::create(&folder.path().join("empty"), options()).unwrap();
    assert!(empty.finish(&[]).unwrap_err().to_string().contains("nothing was recorded"));
}

#[test]
fn features_that_cannot_be_written_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, feature: Feature| {
        let mut options = options();
        options.features.insert(name.to_owned(), feature);
        DatasetWriter::create(&folder.path().join("set"), options).err().unwrap().to_string()
    };
    assert!(refused("index", Feature::numeric(DType::Int64, &["i"])).contains("added by the writer"));
    assert!(refused("a/b", Feature::numeric(DType::Int64, &["i"])).contains("path"));
    assert!(refused("task", Feature::numeric(DType::String, &["i"])).contains("instructions"));
    assert!(refused("words", Feature::numeric(DType::Language, &["i"])).contains("language"));
    let odd = refused("odd", Feature::numeric(DType::Other("float".into()), &["i"]));
    assert!(odd.contains("`odd`: values of type \"float\""), "{odd}");
    let small = Feature::camera(DType::Video, 20, 20);
    let mut options = options();
    options.features = [("observation.images.tiny".to_owned(), small)].into();
    options.video = Default::default();
    let mut writer = DatasetWriter::create(&folder.path().join("tiny"), options).unwrap();
    let mut recording = writer.begin_episode("t").unwrap();
    let error = recording.push("observation.images.tiny", &solid(20, 20, 0)).unwrap_err().to_string();
    assert!(error.contains("64×64") && error.contains("h264"), "{error}");
}

#[test]
fn info_is_what_the_lerobot_library_expects() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[3, 2]);
    let text = fs::read_to_string(root.join("meta/info.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(json["fps"].is_u64() && json["codebase_version"] == "v3.0" && json["splits"]["train"] == "0:2");
    let names: Vec<&str> = json["features"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names[names.len() - 5..], ["timestamp", "frame_index", "episode_index", "index", "task_index"]);
    assert_eq!(json["features"][CAMERA]["info"]["video.codec"], "h264");
    assert_eq!(Info::read(&root.join("meta/info.json")).unwrap().total_frames, 5);
}
