//! `vipra eval PACKAGE`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vipra_control::Execution;
use vipra_data::writer::write_atomic;
use vipra_eval::{
    Episode, EvaluateOptions, Header, Section, Summary, TabletopEnvironment, evaluate, page, plan, summarize,
};
use vipra_policy::policy::Package;
use vipra_sim::{Embodiment, LARGEST_PICTURE, Object, SMALLEST_PICTURE, Scenes, Split, TabletopConfig};

use super::splits::{showable, splits};
use super::{section, to_table};
use crate::cli::{EnvironmentName, EvalRunArgs};
use crate::commands::Outcome;
use crate::commands::device;
use crate::commands::policy::open_package;
use crate::files::check_no_run;
use crate::output::{print, print_json};
use crate::progress::Progress;
use crate::run_folder::{config_of_run, lock};

pub fn run(args: &EvalRunArgs) -> Result<Outcome> {
    let summaries = run_episodes(args)?;
    let out = args.out.as_deref().context("no --out")?;
    match args.json {
        true => print_json(&summaries)?,
        false => print(&format!("{}\n  outcomes, videos and a page in {}\n", to_table(&summaries), out.display()))?,
    }
    Ok(Outcome::Done)
}

/// Runs the episodes that have no outcome yet, and writes the page of all that the folder has. Returns the summaries of those
/// that are asked for.
pub fn run_episodes(args: &EvalRunArgs) -> Result<Vec<Summary>> {
    let (package, out) = (args.package.as_deref().context("no package")?, args.out.as_deref().context("no --out")?);
    check_no_run(out)?;
    let splits = splits(&args.split)?;
    let package = open_package(package, &args.crops)?;
    let scenes = scenes(args, &package);
    let splits = showable(splits, &args.split, &scenes, are_scenes_asked_for(args))?;
    let execution = match args.execute {
        Some(actions) => Execution::First { actions: actions.into() },
        None => package.specification.execution,
    };
    let EnvironmentName::Tabletop = args.env;
    // The table is made for the first of them: what lies on it may never be seen elsewhere.
    let config = TabletopConfig {
        embodiment: Embodiment::Gripper,
        scenes: scenes.of(splits[0]),
        size: picture_side(&package.training, package.specification.control.image_size),
    };
    let options = EvaluateOptions { execution, parallel: args.parallel.into(), videos: args.videos };
    let header = header(&package, &config, &options)?;
    let title = package.path.display().to_string();
    let mut policy = package.into_policy(&device(&args.device)?)?;
    std::fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let _lock = lock(out)?;
    let progress = Progress::new("evaluating", "episodes");
    let outcomes = evaluate(
        &mut policy,
        &|description| Ok(Box::new(TabletopEnvironment::new(config.clone(), description)?)),
        &episodes(args, &splits),
        &header,
        out,
        &options,
        &|done, all| progress.set(done, all),
    )?;
    drop(progress);
    write_page(&out.join("report.html"), &[Section { title, ..section(out)? }])?;
    Ok(summarize(&outcomes))
}

/// Lists the episodes that are asked for, in their order.
fn episodes(args: &EvalRunArgs, splits: &[Split]) -> Vec<Episode> {
    let splits: Vec<String> = splits.iter().map(|split| split.name().to_owned()).collect();
    let seeds: Vec<u64> = (0..u64::from(args.seeds)).collect();
    plan(&splits, &seeds, args.episodes.into())
}

/// Describes what outcomes belong to: others are not added to them.
fn header(package: &Package, table: &TabletopConfig, options: &EvaluateOptions) -> Result<Header> {
    let mut header = json!({
        "environment": "tabletop",
        "version": env!("CARGO_PKG_VERSION"),
        "policy": package.specification.control.policy,
        "model": package.fingerprint,
        "fingerprints": package.specification.control.fingerprints,
        "execution": options.execution,
        "parallel": options.parallel,
    });
    // As outcomes without a choice always had it.
    if package.specification.control.crops > 1 {
        header["crops"] = json!(package.specification.control.crops);
    }
    if table.size != package.specification.control.image_size[0] {
        header["picture_size"] = json!([table.size, table.size]);
    }
    let Scenes { tasks, objects, .. } = &table.scenes;
    if !tasks.is_empty() {
        header["tasks"] = json!(tasks);
    }
    if !objects.is_empty() {
        header["objects"] = objects.iter().map(Object::to_string).collect();
    }
    header.as_object().cloned().context("a header is an object")
}

/// Returns the side of pictures of the table, in pixels: that of the recordings that the policy was made from, for shrinking
/// them to the policy's frames is a part of what it sees; where it is not known or cannot be drawn, that of its frames.
fn picture_side(training: &Value, [frame_height, _]: [usize; 2]) -> usize {
    let recorded = training["recorded_size"].as_array().map(Vec::as_slice);
    let Some([height, width]) = recorded else { return frame_height };
    let side = height.as_u64().filter(|_| height == width).and_then(|side| usize::try_from(side).ok());
    side.filter(|side| (SMALLEST_PICTURE..=LARGEST_PICTURE).contains(side)).unwrap_or(frame_height)
}

fn are_scenes_asked_for(args: &EvalRunArgs) -> bool {
    !args.scenes.tasks.is_empty() || !args.scenes.objects.is_empty()
}

/// Returns the scenes that are asked for; else those that the policy was made for.
fn scenes(args: &EvalRunArgs, package: &Package) -> Scenes {
    let asked = args.scenes.of(Split::Seen);
    if are_scenes_asked_for(args) {
        return asked;
    }
    let made_for = config_of_run(&package.path)
        .and_then(|config| config.run.tabletop.scenes().map_err(anyhow::Error::msg))
        .inspect_err(|error| {
            tracing::warn!("all tasks and objects, for it is not known what the policy was made for: {error:#}")
        });
    let Ok(made_for) = made_for else { return asked };
    if !made_for.tasks.is_empty() || !made_for.objects.is_empty() {
        let named = |names: Vec<String>| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        let tasks = named(made_for.tasks.iter().map(|task| task.name().to_owned()).collect());
        let objects = named(made_for.objects.iter().map(ToString::to_string).collect());
        tracing::warn!(
            "only what the policy was made for (tasks: {tasks}; objects: {objects}); --task and --object say otherwise"
        );
    }
    made_for
}

/// Writes the page of evaluations.
pub fn write_page(path: &Path, sections: &[Section]) -> Result<()> {
    crate::files::create_parent(path)?;
    Ok(write_atomic(path, page(sections)?.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_drawn_as_the_recordings_were() {
        let side = |training: Value| picture_side(&training, [64, 64]);
        assert_eq!(side(json!({ "steps": 1, "recorded_size": [128, 128] })), 128);
        for unknown in [json!({ "steps": 1 }), json!({ "recorded_size": null }), json!({ "recorded_size": [128] })] {
            assert_eq!(side(unknown), 64);
        }
        for impossible in [json!([480, 640]), json!([4, 4]), json!([1024, 1024]), json!(["128", "128"])] {
            assert_eq!(side(json!({ "recorded_size": impossible })), 64);
        }
    }
}
