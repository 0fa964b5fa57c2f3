//! Throughput of the clip loader: random clips of 8 frames, resized to 128×128.
//!
//! Usage: `cargo bench -p vipra-data --bench clips -- DATASET [--workers N] [--secs S]`. Prints one line of JSON.
//! `benches/clips.py` runs it in turns with what a user would have otherwise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vipra_data::clip::{ClipDataset, ClipLoader, LoaderState};
use vipra_data::{DataConfig, SourceConfig};

const WARM_UP_CLIPS: usize = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)?.parse::<f64>().ok()
    };
    let Some(path) = arguments.first().filter(|argument| !argument.starts_with("--")) else {
        println!("no dataset named: nothing to measure (usage: clips DATASET [--workers N] [--secs S])");
        return Ok(());
    };
    let mut config = DataConfig { sources: vec![SourceConfig::new(path)], ..DataConfig::default() };
    (config.clip.frames, config.clip.interval_secs) = (8, 0.2);
    (config.image.width, config.image.height) = (128, 128);
    config.loader.workers = value("--workers").unwrap_or(1.0) as usize;
    let workers = config.loader.workers;
    let dataset = Arc::new(ClipDataset::open(config, &|_, _| {})?);
    let mut loader = ClipLoader::start(dataset, LoaderState::default())?;
    for _ in 0..WARM_UP_CLIPS {
        let clip = loader.next_clip()?;
        loader.recycle(clip);
    }

    let wanted = Duration::from_secs_f64(value("--secs").unwrap_or(5.0));
    let began = Instant::now();
    let mut frames = 0;
    while began.elapsed() < wanted {
        let clip = loader.next_clip()?;
        frames += clip.mask.len();
        loader.recycle(clip);
    }
    let rate = frames as f64 / began.elapsed().as_secs_f64();
    println!("{{\"workers\": {workers}, \"frames_per_s\": {rate:.1}, \"peak_mib\": {:.0}}}", peak_memory_mib());
    Ok(())
}

/// The largest resident size of this process so far; 0 where the system does not say.
fn peak_memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(0.0, |kib| kib / 1024.0)
}
