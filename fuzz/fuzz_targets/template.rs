//! Any text as a path template, with any camera: an error or a path inside of the dataset.
#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use vipra_data::source::lerobot::{Value, expand};

fuzz_target!(|input: (&str, &str, u64)| {
    let (template, camera, number) = input;
    let values = [("video_key", Value::Text(camera)), ("chunk_index", Value::Number(number))];
    if let Ok(path) = expand(template, &values, Path::new("dataset")) {
        assert!(path.starts_with("dataset"));
        assert!(path.components().all(|part| part != Component::ParentDir));
    }
});
