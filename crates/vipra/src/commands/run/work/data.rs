//! Videos and demonstrations: recorded where the run says so, then opened, counted and drawn.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::json;
use vipra_data::writer::DatasetWriter;
use vipra_sim::Split;

use super::{Figures, StageEnd};
use crate::cli::{ClipsArgs, RecordArgs, ScenesArgs, TableArgs};
use crate::commands::data::{draw_clips, frame_rates};
use crate::commands::run::context::RunContext;
use crate::commands::sim::record_dataset;
use crate::config::RecordConfig;
use crate::output::{duration, plural};
use crate::stage::Stage;

/// Clips on a contact sheet.
const CLIPS: usize = 12;

/// Records what is not recorded yet, looks at what there is, and draws clips of it.
pub fn prepare(stage: Stage, context: &RunContext) -> Result<StageEnd> {
    let data = context.data(stage);
    for (name, config) in &data.record {
        record(&context.folder(stage).join(name), config, context.scenes()?, stage)?;
    }
    if stage == Stage::Demonstrations && !data.record.is_empty() {
        context.check_demonstrations()?;
    }
    let datasets = context.datasets(stage);
    let (mut episodes, mut skipped) = (Vec::new(), 0);
    for dataset in &datasets {
        let source = context.open(stage, dataset)?;
        for left_out in &source.description().skipped {
            tracing::warn!("left out {}: {}", left_out.what, left_out.reason);
        }
        skipped += source.description().skipped.len();
        episodes.extend_from_slice(source.episodes());
    }
    draw_clips(&ClipsArgs {
        paths: datasets.clone(),
        config: context.write_config(stage)?,
        fps: data.fps,
        camera: data.camera.clone(),
        split: None,
        count: CLIPS,
        epoch: 0,
        contact_sheet: Some(context.folder(stage).with_extension("png")),
        run: None,
    })?;
    let secs: f64 = episodes.iter().map(|episode| episode.length as f64 / episode.fps).sum();
    let tasks: BTreeSet<&String> = episodes.iter().flat_map(|episode| &episode.tasks).collect();
    let key = format!("{}, {}", plural(episodes.len(), "episode"), duration(secs));
    let all = json!({
        "datasets": datasets,
        "episodes": episodes.len(),
        "frames": episodes.iter().map(|episode| episode.length).sum::<usize>(),
        "video_secs": secs,
        "fps": frame_rates(&episodes),
        "tasks": tasks.len(),
        "skipped": skipped,
    });
    Ok(StageEnd::Done(Figures { key, all: all.as_object().cloned().unwrap_or_default() }))
}

/// A recording, unless it is finished.
fn record(out: &Path, config: &RecordConfig, scenes: ScenesArgs, stage: Stage) -> Result<()> {
    if DatasetWriter::finished_options(out).is_some() {
        return Ok(());
    }
    let (_recorded, text) = record_dataset(&RecordArgs {
        out: out.to_path_buf(),
        table: TableArgs { embodiment: config.embodiment, scenes, split: Split::Seen, seed: config.seed },
        episodes: config.episodes,
        no_actions: stage == Stage::Videos,
        nudges: config.nudges,
        size: config.size,
    })?;
    text.lines().for_each(|line| tracing::info!("{line}"));
    Ok(())
}
