//! Evaluation: closed loop where the demonstrations came from the embedded simulator, and open loop on held-out demonstrations
//! wherever they came from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};
use vipra_data::source::Skipped;
use vipra_data::writer::write_atomic;
use vipra_data::{DataConfig, Episode, OnError, SourceConfig, sample_evenly_by_task};
use vipra_eval::{Rate, Summary, videos};

use super::{Figures, StageEnd};
use crate::cli::{CropsArgs, EnvironmentName, EvalRunArgs, OpenLoopArgs};
use crate::commands::eval::run_episodes;
use crate::commands::policy::{DimensionError, compare_episode};
use crate::commands::run::context::RunContext;
use crate::files::folder_name;
use crate::output::{short, tell_skipped};
use crate::run_folder::config_of_run;
use crate::stage::Stage;

/// The file of open-loop errors in the folder of an evaluation.
pub const OPEN_LOOP: &str = "open-loop.json";
/// The folder of curves, with the policy.
pub const CURVES: &str = "open-loop";

/// A held-out demonstration beside what the policy would have done.
#[derive(Serialize)]
struct Compared {
    dataset: String,
    episode: String,
    /// The picture of the curves, in the folder `open-loop` of the policy.
    curves: String,
    /// Squared error over variance, mean over the dimensions that vary.
    relative_error: Option<f64>,
    errors: Vec<DimensionError>,
}

pub fn evaluate(context: &RunContext) -> Result<StageEnd> {
    // Before the episodes: after hours it would be too late to say that demonstrations cannot be read.
    let held_out = HeldOut::find(context)?;
    let (mut words, mut all) = (Vec::new(), Map::new());
    if context.is_embedded() {
        let summaries = act(context)?;
        words.extend(summaries.iter().map(|summary| {
            let Summary { split, success_any, .. } = summary;
            format!("success ({split}) {success_any}, n {}", success_any.trials)
        }));
        let splits = summaries.iter().map(|summary| {
            let rates = json!({
                "success_any": with_interval(&summary.success_any),
                "success_last": with_interval(&summary.success_last),
                "grasped": with_interval(&summary.grasped),
            });
            (summary.split.clone(), rates)
        });
        all.insert("splits".to_owned(), Value::Object(splits.collect()));
    }
    let error = open_loop(context, &held_out)?;
    all.insert("open_loop_error".to_owned(), json!(error));
    if words.is_empty() {
        words.push(match error {
            Some(error) => format!("open-loop error {} of the mean action's", short(error)),
            None => "nothing held out".to_owned(),
        });
    }
    Ok(StageEnd::Done(Figures { key: words.join("; "), all }))
}

/// Episodes at the tabletop: what each split comes to.
fn act(context: &RunContext) -> Result<Vec<Summary>> {
    let evaluation = &context.config.run.evaluation;
    let summaries = run_episodes(&EvalRunArgs {
        package: Some(context.folder(Stage::Finetune)),
        env: EnvironmentName::Tabletop,
        split: evaluation.splits.clone(),
        scenes: context.scenes()?,
        episodes: evaluation.episodes,
        seeds: evaluation.seeds,
        parallel: evaluation.parallel,
        execute: None,
        crops: CropsArgs::default(),
        videos: evaluation.videos,
        out: Some(context.folder(Stage::Evaluate)),
        json: false,
        device: context.device.clone(),
    })?;
    // Of a split with several tasks, the summary of all of them comes last.
    let mut last: Vec<Summary> = Vec::new();
    for summary in summaries.into_iter().filter(|summary| !summary.split.is_empty()) {
        match last.last_mut().filter(|known| known.split == summary.split) {
            Some(known) => *known = summary,
            None => last.push(summary),
        }
    }
    tell_missing_videos(&last, &context.folder(Stage::Evaluate), evaluation.videos)?;
    Ok(last)
}

/// Says that episodes which ran before more videos were asked for have left none.
fn tell_missing_videos(summaries: &[Summary], folder: &Path, most: usize) -> Result<()> {
    let videos = videos(folder)?;
    let missing = summaries.iter().flat_map(|Summary { split, success_last: rate, .. }| {
        [(true, rate.successes), (false, rate.trials - rate.successes)].map(|(is_success, episodes)| {
            let found = videos.iter().filter(|video| video.split == *split && video.is_success == is_success).count();
            episodes.min(most).saturating_sub(found)
        })
    });
    let missing: usize = missing.sum();
    if missing > 0 {
        tracing::warn!("no videos of {missing} episodes that ran before; `--from evaluate` runs all of them again");
    }
    Ok(())
}

fn with_interval(rate: &Rate) -> Value {
    json!({ "successes": rate.successes, "trials": rate.trials, "rate": rate.share(), "interval": rate.interval() })
}

/// Demonstrations that the policy has not learned from.
struct HeldOut {
    /// How finetuning read them, and where they lie now.
    data: DataConfig,
    episodes: Vec<(SourceConfig, Episode)>,
}

impl HeldOut {
    fn find(context: &RunContext) -> Result<Self> {
        let mut data = config_of_run(&context.folder(Stage::Finetune))?.data;
        relocate(&mut data, &context.datasets(Stage::Finetune));
        let mut found = Vec::new();
        for source in &data.validation {
            found.extend(episodes(&data, source)?.into_iter().map(|episode| (source.clone(), episode)));
        }
        Ok(Self { data, episodes: found })
    }
}

/// Changes where datasets lay when they were learned from into where they lie now, in the same order: data and run folders
/// may be moved.
fn relocate(data: &mut DataConfig, datasets: &[PathBuf]) {
    let before: Vec<PathBuf> = data.sources.iter().map(|source| source.path.clone()).collect();
    for source in data.sources.iter_mut().chain(&mut data.validation) {
        let number = before.iter().position(|path| *path == source.path);
        if let Some(now) = number.and_then(|number| datasets.get(number)) {
            source.path.clone_from(now);
        }
    }
}

/// Compares the policy with held-out demonstrations; the mean of their relative errors.
fn open_loop(context: &RunContext, held_out: &HeldOut) -> Result<Option<f64>> {
    let HeldOut { data, episodes: chosen } = held_out;
    let folder = context.folder(Stage::Evaluate);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let curves = context.folder(Stage::Finetune).join(CURVES);
    if curves.exists() {
        // Those of an evaluation that was interrupted, or of other episodes.
        std::fs::remove_dir_all(&curves).with_context(|| format!("removing {}", curves.display()))?;
    }
    std::fs::create_dir_all(&curves).with_context(|| format!("making {}", curves.display()))?;
    let most = context.config.run.evaluation.open_loop_episodes;
    let tasks = chosen.iter().map(|(source, episode)| (&source.path, episode.instruction()));
    let (mut compared, mut left_out) = (Vec::new(), Vec::new());
    for at in sample_evenly_by_task(tasks, most) {
        let (source, episode) = &chosen[at];
        match compare(context, source, &episode.name, &curves) {
            Ok(errors) => compared.push(errors),
            // As finetuning has left it out.
            Err(error) if data.on_error == OnError::Skip && is_of_data(&error) => {
                left_out.push(Skipped { what: format!("episode {}", episode.name), reason: format!("{error:#}") });
            }
            Err(error) => return Err(error),
        }
    }
    tell_skipped(&left_out);
    let errors: Vec<f64> = compared.iter().filter_map(|compared| compared.relative_error).collect();
    let mean = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
    let file = folder.join(OPEN_LOOP);
    let written = json!({ "relative_error": mean, "held_out_episodes": chosen.len(), "episodes": compared, "left_out": left_out });
    write_atomic(&file, &serde_json::to_vec_pretty(&written)?)?;
    Ok(mean)
}

/// Whether something is wrong with the data, and not with the policy.
fn is_of_data(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<vipra_data::Error>())
}

/// The episodes that a source chooses.
fn episodes(data: &DataConfig, source: &SourceConfig) -> Result<Vec<Episode>> {
    let open = data.open(source, &|_, _| {})?;
    let chosen = open.description().split(source.split.as_deref(), open.episodes())?;
    Ok(chosen.into_iter().map(|at| open.episodes()[at].clone()).collect())
}

fn compare(context: &RunContext, source: &SourceConfig, episode: &str, folder: &Path) -> Result<Compared> {
    let dataset = folder_name(&source.path);
    let plain: String = episode.chars().map(|char| if char.is_alphanumeric() { char } else { '-' }).collect();
    // Datasets may have the same name, and episodes names that differ in nothing but signs.
    let names = std::iter::once(format!("{dataset}-{plain}.png"))
        .chain((2..).map(|number: u32| format!("{dataset}-{plain}-{number}.png")));
    let curves = names.into_iter().find(|name| !folder.join(name).exists()).unwrap_or_default();
    let errors = compare_episode(&OpenLoopArgs {
        package: context.folder(Stage::Finetune),
        data: source.path.clone(),
        episode: episode.to_owned(),
        camera: source.camera.clone(),
        out: Some(folder.join(&curves)),
        json: false,
        crops: CropsArgs::default(),
        device: context.device.clone(),
    })?;
    let relative: Vec<f64> = errors.iter().filter_map(DimensionError::relative).collect();
    let relative_error = (!relative.is_empty()).then(|| relative.iter().sum::<f64>() / relative.len() as f64);
    Ok(Compared { dataset, episode: episode.to_owned(), curves, relative_error, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_are_looked_for_where_they_lie_now() {
        let source = |path: &str, split: &str| SourceConfig {
            split: Some(split.to_owned()),
            camera: Some("front".to_owned()),
            ..SourceConfig::new(path)
        };
        let mut data = DataConfig {
            sources: vec![source("/old/one", "0:1"), source("/old/two", "0:9")],
            // Of a dataset with one episode nothing is held out.
            validation: vec![source("/old/two", "9:10")],
            ..DataConfig::default()
        };
        relocate(&mut data, &["/new/one".into(), "/new/two".into()]);
        assert_eq!(data.sources, [source("/new/one", "0:1"), source("/new/two", "0:9")]);
        assert_eq!(data.validation, [source("/new/two", "9:10")]);
    }
}
