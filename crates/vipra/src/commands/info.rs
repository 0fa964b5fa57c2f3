//! `vipra info`.

use anyhow::Result;

use super::Outcome;
use crate::output::print;

pub fn run() -> Result<Outcome> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let rows = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("backends", vipra_nn::device::available().join(", ")),
        ("devices", format!("cpu: {threads} threads, {}", std::env::consts::ARCH)),
        ("FFmpeg", vipra_data::video::ffmpeg_version()),
        ("encoders", vipra_data::video::available_encoders().join(", ")),
    ];
    let lines: String = rows.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
    print(&lines)?;
    Ok(Outcome::Done)
}
