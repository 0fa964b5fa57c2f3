//! `vipra policy open-loop`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use vipra_control::ActionSpace;
use vipra_data::writer::write_atomic;
use vipra_data::{DataConfig, Episode, OnError, SourceConfig};

use super::curves::{Curve, draw};
use super::open_package;
use super::replay::{Replay, replay};
use crate::cli::OpenLoopArgs;
use crate::commands::Outcome;
use crate::commands::datasets::{find_episode, open_dataset};
use crate::commands::device;
use crate::files::{check_outside, create_parent};
use crate::output::{print, print_json, short, table};
use crate::run_folder::tolerance_of_run;

/// How far a policy's actions are from the true ones in a dimension, in the robot's units.
#[derive(Debug, Clone, Serialize)]
pub struct DimensionError {
    /// The dimension of the action.
    pub dimension: String,
    /// Root mean squared error.
    pub error: f64,
    /// Standard deviation of the true actions.
    pub spread: f64,
}

impl DimensionError {
    /// Squared error over variance: 1 for a policy that always does the mean action. None where nothing varies.
    pub fn relative(&self) -> Option<f64> {
        (self.spread > 0.0).then(|| (self.error / self.spread).powi(2))
    }
}

pub fn run(args: &OpenLoopArgs) -> Result<Outcome> {
    let errors = compare_episode(args)?;
    if args.json {
        print_json(&errors)?;
    } else {
        let rows = errors.iter().map(|of| {
            let share = of.relative().map_or(String::new(), short);
            vec![of.dimension.clone(), short(of.error), short(of.spread), share]
        });
        print(&table(&["action", "error", "spread", "error² / spread²"], rows.collect(), 1))?;
    }
    Ok(Outcome::Done)
}

/// Lets the policy look at each moment of an episode, and draws the curves. Returns the errors, a dimension each.
pub fn compare_episode(args: &OpenLoopArgs) -> Result<Vec<DimensionError>> {
    args.out.iter().try_for_each(|path| check_outside([args.data.as_path()], path, "the picture of the curves"))?;
    let package = open_package(&args.package, &args.crops)?;
    let (specification, tolerance_secs) = (package.specification.clone(), tolerance_of_run(&package.path));
    let mut policy = package.into_policy(&device(&args.device)?)?;
    // Other episodes may be broken.
    let data = DataConfig { tolerance_secs, on_error: OnError::Skip, ..DataConfig::default() };
    let source = open_dataset(&data, &SourceConfig::new(&args.data))?;
    let at = find_episode(source.as_ref(), &args.episode)?;
    let replayed = replay(source.as_ref(), at, args.camera.as_deref(), &mut policy, &specification)?;
    let actions = &specification.control.action;
    let errors: Vec<DimensionError> =
        actions.names.iter().enumerate().map(|(at, name)| dimension_error(name, &replayed, at)).collect();
    if let Some(path) = &args.out {
        create_parent(path)?;
        let episode = &source.episodes()[at];
        write_numbers(&path.with_extension("json"), episode, &replayed, &errors)?;
        draw_curves(path, episode, &replayed, actions)?;
    }
    Ok(errors)
}

/// Measures how far the policy is from the truth in the dimension at a position.
fn dimension_error(name: &str, replayed: &Replay, at: usize) -> DimensionError {
    let steps = replayed.truth.iter().zip(&replayed.predicted);
    let pairs: Vec<[f64; 2]> =
        steps.map(|(truth, predicted)| [f64::from(truth[at]), f64::from(predicted[at])]).collect();
    let count = pairs.len().max(1) as f64;
    let mean = pairs.iter().map(|[truth, _]| truth).sum::<f64>() / count;
    let error: f64 = pairs.iter().map(|[truth, predicted]| (predicted - truth).powi(2)).sum();
    let spread: f64 = pairs.iter().map(|[truth, _]| (truth - mean).powi(2)).sum();
    DimensionError { dimension: name.to_owned(), error: (error / count).sqrt(), spread: (spread / count).sqrt() }
}

/// Writes what is drawn, as numbers.
fn write_numbers(path: &Path, episode: &Episode, replayed: &Replay, errors: &[DimensionError]) -> Result<()> {
    let dimensions = errors.iter().enumerate().map(|(at, of)| {
        let (truth, predicted) = (dimension(&replayed.truth, at), dimension(&replayed.predicted, at));
        json!({ "dimension": of.dimension, "error": of.error, "spread": of.spread, "truth": truth, "predicted": predicted })
    });
    let numbers = json!({
        "episode": episode.name,
        "instruction": episode.instruction().unwrap_or_default(),
        "fps": episode.fps,
        "dimensions": dimensions.collect::<Vec<_>>(),
    });
    Ok(write_atomic(path, numbers.to_string().as_bytes())?)
}

/// Draws true and predicted actions, a panel for each dimension.
fn draw_curves(path: &Path, episode: &Episode, replayed: &Replay, actions: &ActionSpace) -> Result<()> {
    let curves = actions.names.iter().enumerate().map(|(at, name)| Curve {
        name: name.clone(),
        truth: dimension(&replayed.truth, at),
        predicted: dimension(&replayed.predicted, at),
        least_span: actions.normalizer.scale[at] as f32,
    });
    let secs = short(episode.length as f64 / episode.fps);
    let title = format!("{}, {secs} s: {}", episode.name, episode.instruction().unwrap_or_default());
    Ok(draw(&title, &curves.collect::<Vec<_>>()).save_png(path)?)
}

/// Returns one dimension of actions, `[steps]`.
fn dimension(actions: &[Vec<f32>], at: usize) -> Vec<f32> {
    actions.iter().map(|action| action[at]).collect()
}
