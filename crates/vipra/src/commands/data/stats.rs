//! `vipra data stats`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use vipra_data::Source;
use vipra_data::normalize::NormalizationConfig;
use vipra_data::stats::{Collector, FeatureStats, Stats, to_json};
use vipra_data::video::DecoderPool;

use super::{Outcome, open};
use crate::cli::SourceArgs;
use crate::config::{ConfigArgs, load};
use crate::files::create_parent;
use crate::output::{print, print_json, short, table, tell_skipped};
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
    let normalization = load(&request.config)?.data.normalization;
    if let Some(path) = &request.out {
        create_parent(path)?;
    }
    let source = open(&request.source)?;
    tell_skipped(&source.description().skipped);
    let stats = collect(source.as_ref(), request)?;
    let features = &source.description().features;
    if let Some(path) = &request.out {
        let text = serde_json::to_string_pretty(&to_json(&stats, features))?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    match request.json {
        true => print_json(&to_json(&stats, features))?,
        false => print(&to_text(source.as_ref(), &stats, &normalization)?)?,
    }
    Ok(Outcome::Done)
}

fn collect(source: &dyn Source, request: &Request) -> Result<Stats> {
    let description = source.description();
    let chosen = description.split(request.split.as_deref(), source.episodes())?;
    let progress = Progress::new("reading", "episodes");
    let mut collector = Collector::default();
    let mut decoders = DecoderPool::new(4);
    let cameras = if request.pictures { description.cameras() } else { Vec::new() };
    for (done, &at) in chosen.iter().enumerate() {
        progress.set(done, chosen.len());
        collector.add_episode(source, at, &cameras, &mut decoders)?;
    }
    Ok(collector.finish())
}

fn to_text(source: &dyn Source, stats: &Stats, normalization: &NormalizationConfig) -> Result<String> {
    let features = &source.description().features;
    let mut text = String::new();
    for (name, feature_stats) in stats {
        let Some(feature) = features.get(name) else { continue };
        let (dimensions, raised, what) = match feature.dtype.is_camera() {
            true => (["red", "green", "blue"].map(str::to_owned).to_vec(), Vec::new(), "pictures"),
            false => {
                let dimensions = feature.dimension_names();
                let raised = normalization.raised_dimensions(name, &dimensions, stats)?;
                (dimensions, raised, "rows")
            }
        };
        text.push_str(&format!("{name}: {} {what}\n", feature_stats.count));
        let header = ["dimension", "mean", "std", "min", "q01", "q50", "q99", "max", "note"];
        let rows = rows(&dimensions, &raised, feature_stats, normalization.scale_floor);
        text.push_str(&table(&header, rows, 1));
        text.push('\n');
    }
    let nothing = "no numbers in this dataset (pictures have statistics with --pictures)\n";
    Ok(if text.is_empty() { nothing.to_owned() } else { text })
}

fn rows(dimensions: &[String], raised: &[usize], stats: &FeatureStats, floor: f64) -> Vec<Vec<String>> {
    let row = |(at, name): (usize, &String)| {
        let columns = [&stats.mean, &stats.std, &stats.min, &stats.q01, &stats.q50, &stats.q99, &stats.max];
        let note = match raised.contains(&at) {
            true => format!("hardly varies: its scale is raised to {}", short(floor)),
            false => String::new(),
        };
        let numbers = columns.iter().map(|column| column.get(at).map_or_else(String::new, |&value| short(value)));
        std::iter::once(name.clone()).chain(numbers).chain([note]).collect()
    };
    dimensions.iter().enumerate().map(row).collect()
}
