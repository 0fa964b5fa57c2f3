//! Any bytes as `meta/info.json`: an error or an `Info`, never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vipra_data::source::lerobot::Info;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("info.json");
    if let Ok(info) = Info::parse(&text, path) {
        let _ = info.split_ranges(path);
        for feature in info.features.values() {
            let _ = (feature.width(), feature.dimension_names(), feature.picture_size(), feature.is_depth());
        }
    }
});
