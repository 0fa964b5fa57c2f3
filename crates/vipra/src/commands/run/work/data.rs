//! Videos and demonstrations: recorded where the run says so, then opened, counted and drawn.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::json;
use vipra_data::Episode;
use vipra_data::clip::ClipConfig;
use vipra_data::writer::DatasetWriter;
use vipra_sim::Split;

use super::{Figures, StageEnd};
use crate::cli::{ClipsArgs, RecordArgs, ScenesArgs, TableArgs};
use crate::commands::data::{draw_clips, frame_rates};
use crate::commands::run::context::RunContext;
use crate::commands::sim::record_dataset;
use crate::config::{ConfigArgs, RecordConfig};
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
    draw_sheet(stage, context)?;
    if stage == Stage::Videos && context.until >= Stage::Laq {
        check_lengths(&episodes, &context.config.data.clip)?;
    }
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

/// Refuses videos of which none is long enough for a clip, and warns of some. Here nothing depends on clips, but hours later it
/// would be too late to say so.
fn check_lengths(videos: &[Episode], clip: &ClipConfig) -> Result<()> {
    match videos.iter().filter(|video| !clip.fits(video)).count() {
        0 => {}
        short if short == videos.len() => return Err(clip.none_fits(videos.iter()).into()),
        short => tracing::warn!(
            "{short} of {} are too short for a clip, and latent actions are not learned from them (data.clip.min_real_frames, \
             data.clip.interval_secs)",
            plural(videos.len(), "video")
        ),
    }
    Ok(())
}

/// Draws clips of all episodes, also of those that are too short to learn latent actions from.
fn draw_sheet(stage: Stage, context: &RunContext) -> Result<()> {
    let data = context.data(stage);
    let every_length = vec!["data.clip.min_real_frames=1".to_owned()];
    draw_clips(&ClipsArgs {
        paths: context.datasets(stage),
        config: ConfigArgs { set: every_length, ..context.write_config(stage)? },
        fps: data.fps,
        camera: data.camera.clone(),
        split: None,
        count: CLIPS,
        epoch: 0,
        contact_sheet: Some(context.folder(stage).with_extension("png")),
        run: None,
    })
    .map(drop)
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

#[cfg(test)]
mod tests {
    use vipra_data::writer::WriterOptions;
    use vipra_data::{DType, Feature, Features, Frame, Rows};

    use super::*;
    use crate::cli::DeviceArgs;
    use crate::config::Config;

    const CAMERA: &str = "observation.images.front";
    const SIDE: usize = 16;

    /// A run on an episode of two frames, with clips that take longer.
    fn context(folder: &Path, until: Stage) -> RunContext {
        let root = folder.join("short");
        if !root.exists() {
            let camera = Feature::camera(DType::Image, SIDE, SIDE);
            let options = WriterOptions::new(5, Features::from([(CAMERA.to_owned(), camera)]));
            let mut writer = DatasetWriter::create(&root, options).unwrap();
            let mut episode = writer.begin_episode("wave").unwrap();
            (0..2).for_each(|_| episode.push(CAMERA, &Frame::new(SIDE, SIDE)).unwrap());
            episode.finish(&Rows { length: 2, ..Rows::default() }).unwrap();
            writer.finish(&[]).unwrap();
        }
        let mut config = Config::default();
        (config.data.image.width, config.data.image.height) = (SIDE, SIDE);
        (config.data.clip.min_real_frames, config.data.clip.interval_secs) = (4, 30.0);
        (config.run.videos.paths, config.run.demonstrations.paths) = (vec![root.clone()], vec![root]);
        let device = DeviceArgs { device: "flex".to_owned() };
        RunContext { run: folder.join("run"), config, device, until }
    }

    #[test]
    fn episodes_shorter_than_a_clip_stop_only_who_learns_from_clips() {
        let folder = tempfile::tempdir().unwrap();
        let prepared = |stage: Stage, until: Stage| prepare(stage, &context(folder.path(), until)).map(drop);
        prepared(Stage::Demonstrations, Stage::Evaluate).unwrap();
        prepared(Stage::Videos, Stage::Tokenizer).unwrap();
        assert!(folder.path().join("run/data/demonstrations.png").is_file());
        let refused = prepared(Stage::Videos, Stage::Laq).unwrap_err().to_string();
        assert!(refused.contains("no episode lasts 90.000 s"), "{refused}");
    }
}
