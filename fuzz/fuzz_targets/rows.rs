//! Any bytes as the Parquet file of an episode: an error or its rows, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vipra_data::OpenOptions;

const INFO: &str = r#"{"codebase_version": "v2.1", "fps": 10, "chunks_size": 1000,
  "data_path": "data/{episode_index}.parquet", "features": {
  "action": {"dtype": "float32", "shape": [2]}, "note": {"dtype": "string", "shape": [1]},
  "timestamp": {"dtype": "float32", "shape": [1]}, "frame_index": {"dtype": "int64", "shape": [1]}}}"#;

fuzz_target!(|data: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content);
    let made = std::fs::create_dir_all(folder.path().join("meta"))
        .and_then(|()| std::fs::create_dir_all(folder.path().join("data")))
        .and_then(|()| write("meta/info.json", INFO.as_bytes()))
        .and_then(|()| write("meta/episodes.jsonl", br#"{"episode_index": 0, "tasks": [], "length": 3}"#))
        .and_then(|()| write("meta/tasks.jsonl", b""))
        .and_then(|()| write("data/0.parquet", data));
    if made.is_err() {
        return;
    }
    if let Ok(source) = vipra_data::open(folder.path(), &OpenOptions::default()) {
        let _ = source.rows(0);
    }
});
