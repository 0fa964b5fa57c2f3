//! `vipra data stats`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use vipra_data::normalize::narrow_dimensions;
use vipra_data::stats::{Collector, FeatureStats, Stats, to_json};
use vipra_data::video::DecoderPool;
use vipra_data::{Feature, Source};

use super::{Outcome, open};
use crate::cli::SourceArgs;
use crate::config::{ConfigArgs, load};
use crate::output::{print, print_json, short, table};
use crate::progress::Progress;

pub struct Request {
    pub source: SourceArgs,
    pub config: ConfigArgs,
    pub split: Option<String>,
    pub pictures: bool,
    pub out: Option<PathBuf>,
    pub json: bool,
}

pub fn run(request: &Request) -> Result<Outcome> {
    let floor = load(&request.config)?.data.normalization.scale_floor;
    let source = open(&request.source)?;
    let stats = collect(source.as_ref(), request)?;
    let features = &source.description().features;
    if let Some(path) = &request.out {
        let text = serde_json::to_string_pretty(&to_json(&stats, features))?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    match request.json {
        true => print_json(&to_json(&stats, features))?,
        false => print(&to_text(source.as_ref(), &stats, floor))?,
    }
    Ok(Outcome::Done)
}

fn collect(source: &dyn Source, request: &Request) -> Result<Stats> {
    let description = source.description();
    let chosen = description.split(request.split.as_deref(), source.episodes())?;
    let progress = Progress::new("reading", "episodes");
    let mut collector = Collector::default();
    let mut decoders = DecoderPool::new(4);
    for (done, &at) in chosen.iter().enumerate() {
        progress.set(done, chosen.len());
        collector.add_rows(&source.rows(at)?);
        if !request.pictures {
            continue;
        }
        let episode = &source.episodes()[at];
        let times: Vec<f64> = (0..episode.length).map(|frame| frame as f64 / episode.fps).collect();
        for camera in description.cameras() {
            source.frames(at, camera, &times, &mut decoders, &mut |_, frame| {
                collector.add_picture(camera, frame);
                Ok(())
            })?;
        }
    }
    Ok(collector.finish())
}

fn to_text(source: &dyn Source, stats: &Stats, floor: f64) -> String {
    let features = &source.description().features;
    let mut text = String::new();
    for (name, stats) in stats {
        let Some(feature) = features.get(name) else { continue };
        text.push_str(&format!(
            "{name}: {} {}\n",
            stats.count,
            if feature.dtype.is_camera() { "pictures" } else { "rows" }
        ));
        let header = ["dimension", "mean", "std", "min", "q01", "q50", "q99", "max", "note"];
        text.push_str(&table(&header, rows(feature, stats, floor), 1));
        text.push('\n');
    }
    if text.is_empty() {
        "no numbers in this dataset (pictures have statistics with --pictures)\n".to_owned()
    } else {
        text
    }
}

fn rows(feature: &Feature, stats: &FeatureStats, floor: f64) -> Vec<Vec<String>> {
    let names = match feature.dtype.is_camera() {
        true => ["red", "green", "blue"].map(str::to_owned).to_vec(),
        false => feature.dimension_names(),
    };
    let narrow = narrow_dimensions(stats, floor);
    let row = |(at, name): (usize, &String)| {
        let columns = [&stats.mean, &stats.std, &stats.min, &stats.q01, &stats.q50, &stats.q99, &stats.max];
        let note = if narrow.contains(&at) {
            format!("hardly varies: scale raised to {}", short(floor))
        } else {
            String::new()
        };
        let numbers = columns.iter().map(|column| column.get(at).map_or_else(String::new, |&value| short(value)));
        std::iter::once(name.clone()).chain(numbers).chain([note]).collect()
    };
    names.iter().enumerate().map(row).collect()
}
