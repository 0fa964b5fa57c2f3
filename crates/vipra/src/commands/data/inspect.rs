//! `vipra data inspect`.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use serde_json::json;
use vipra_data::{Episode, Feature, Source};

use super::{Outcome, open};
use crate::cli::SourceArgs;
use crate::output::{duration, plural, print, print_json, table};

pub fn run(args: &SourceArgs, as_json: bool) -> Result<Outcome> {
    let source = open(args)?;
    if as_json {
        print_json(&to_json(source.as_ref()))?;
    } else {
        print(&to_text(source.as_ref()))?;
    }
    Ok(Outcome::Done)
}

fn seconds(episodes: &[Episode]) -> f64 {
    episodes.iter().map(|episode| episode.length as f64 / episode.fps).sum()
}

/// Lists the rates that there are, in frames a second, to a thousandth.
pub fn frame_rates(episodes: &[Episode]) -> Vec<f64> {
    let mut rates: Vec<f64> = episodes.iter().map(|episode| (episode.fps * 1000.0).round() / 1000.0).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates
}

fn lengths(episodes: &[Episode]) -> Vec<usize> {
    let mut lengths: Vec<usize> = episodes.iter().map(|episode| episode.length).collect();
    lengths.sort_unstable();
    lengths
}

/// Counts the episodes of each instruction.
fn episodes_of_tasks(episodes: &[Episode]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for episode in episodes {
        let tasks: HashSet<&str> = episode.tasks.iter().map(String::as_str).collect();
        tasks.into_iter().for_each(|task| *counts.entry(task).or_default() += 1);
    }
    counts
}

fn to_text(source: &dyn Source) -> String {
    let (description, episodes) = (source.description(), source.episodes());
    let frames: usize = episodes.iter().map(|episode| episode.length).sum();
    let mut text = format!("{}: {}\n", description.layout.title(), description.root.display());
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<9} {value}\n"));

    if let Some(robot) = &description.robot_type {
        line("robot", robot.clone());
    }
    if description.unfinished {
        line("state", "being recorded, or interrupted; what follows is what was finished".to_owned());
    }
    line("episodes", format!("{}, {}, {}", episodes.len(), plural(frames, "frame"), duration(seconds(episodes))));
    let lengths = lengths(episodes);
    if let (Some(shortest), Some(longest)) = (lengths.first(), lengths.last()) {
        line("length", format!("{shortest} to {longest} frames, median {}", lengths[lengths.len() / 2]));
    }
    line("rate", rates_text(&frame_rates(episodes)));
    for (name, range) in &description.splits {
        line("split", format!("{name}: episodes {} to {}", range.start, range.end.saturating_sub(1)));
    }
    for (name, text) in &description.malformed_splits {
        line("split", format!("{name}: {text:?} is no range of episodes"));
    }
    for skipped in &description.skipped {
        line("left out", format!("{}: {}", skipped.what, skipped.reason));
    }

    let features = description.features.iter().map(|(name, feature)| {
        vec![name.clone(), feature.dtype.as_str().to_owned(), shape_text(feature), detail(feature)]
    });
    text.push_str("\nfeatures\n");
    text.push_str(&table(&["name", "type", "shape", "dimensions"], features.collect(), usize::MAX));

    if !description.tasks.is_empty() {
        let counts = episodes_of_tasks(episodes);
        let rows = description.tasks.iter().map(|task| {
            let count = counts.get(task.as_str()).copied().unwrap_or_default();
            vec![if task.is_empty() { "(none)".to_owned() } else { task.clone() }, count.to_string()]
        });
        text.push_str("\ntasks\n");
        text.push_str(&table(&["instruction", "episodes"], rows.collect(), 1));
    }
    text
}

fn rates_text(rates: &[f64]) -> String {
    match rates {
        [] => "none".to_owned(),
        [one] => format!("{one} frames/s"),
        [first, .., last] => format!("{first} to {last} frames/s, {} different ones", rates.len()),
    }
}

fn shape_text(feature: &Feature) -> String {
    feature.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

fn detail(feature: &Feature) -> String {
    if feature.dtype.is_camera() {
        let facts =
            ["codec", "pix_fmt"].iter().filter_map(|name| feature.video_fact(name)?.as_str().map(str::to_owned));
        return facts.collect::<Vec<_>>().join(" ");
    }
    let names = feature.dimension_names();
    if names.iter().enumerate().all(|(at, name)| *name == at.to_string()) { String::new() } else { names.join(" ") }
}

fn to_json(source: &dyn Source) -> serde_json::Value {
    let (description, episodes) = (source.description(), source.episodes());
    let lengths = lengths(episodes);
    let splits: serde_json::Map<_, _> =
        description.splits.iter().map(|(name, range)| (name.clone(), json!([range.start, range.end]))).collect();
    json!({
        "layout": description.layout,
        "path": description.root,
        "robot_type": description.robot_type,
        "episodes": episodes.len(),
        "frames": lengths.iter().sum::<usize>(),
        "seconds": seconds(episodes),
        "fps": frame_rates(episodes),
        "shortest_episode": lengths.first(),
        "longest_episode": lengths.last(),
        "splits": splits,
        "features": description.features,
        "tasks": description.tasks,
        "skipped": description.skipped,
        "unfinished": description.unfinished,
    })
}
