//! `vipra policy open-loop`.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use vipra_control::{ChunkExecutor, History, Policy};
use vipra_data::video::DecoderPool;
use vipra_data::writer::write_atomic;
use vipra_data::{Episode, Feature, Frame, OnError, OpenOptions, Source};
use vipra_policy::policy::Specification;

use super::curves::{Curve, draw};
use super::open_package;
use crate::cli::OpenLoopArgs;
use crate::commands::Outcome;
use crate::commands::data::first_names;
use crate::commands::device;
use crate::files::create_parent;
use crate::output::{print, print_json, short, table, tell_skipped};
use crate::progress::Progress;
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

/// True actions and the policy's, step by step, `[steps][dimensions]`.
struct Compared {
    truth: Vec<Vec<f32>>,
    predicted: Vec<Vec<f32>>,
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

/// Lets the policy look at each moment of an episode, and draws the curves.
pub fn compare_episode(args: &OpenLoopArgs) -> Result<Vec<DimensionError>> {
    let package = open_package(&args.package, &args.crops)?;
    let mut policy = package.policy(&device(&args.device)?)?;
    // Other episodes may be broken.
    let tolerance_secs = tolerance_of_run(&package.path);
    let options = OpenOptions { tolerance_secs, on_error: OnError::Skip, ..OpenOptions::default() };
    let source = vipra_data::open(&args.data, &options).with_context(|| format!("opening {}", args.data.display()))?;
    let episode = source.episodes().iter().position(|episode| episode.name == args.episode);
    if episode.is_none() {
        // It may be one of these.
        tell_skipped(&source.description().skipped);
    }
    let episode = episode.with_context(|| {
        let (count, names) = (source.episodes().len(), first_names(source.as_ref()));
        format!("there is no episode `{}` among the {count} of {}: {names}", args.episode, args.data.display())
    })?;
    let compared = compare(args, source.as_ref(), episode, &mut policy, &package.specification)?;
    let names = &package.specification.control.action.names;
    let errors = names.iter().enumerate().map(|(at, name)| {
        let [error, spread] = errors(&compared, at);
        DimensionError { dimension: name.clone(), error, spread }
    });
    let errors: Vec<DimensionError> = errors.collect();
    if let Some(path) = &args.out {
        create_parent(path)?;
        write_numbers(&path.with_extension("json"), &source.episodes()[episode], &compared, &errors)?;
        let curves = names.iter().enumerate().map(|(at, name)| {
            let of = |actions: &[Vec<f32>]| actions.iter().map(|action| action[at]).collect();
            let least_span = package.specification.control.action.normalizer.scale[at] as f32;
            Curve { name: name.clone(), truth: of(&compared.truth), predicted: of(&compared.predicted), least_span }
        });
        let episode = &source.episodes()[episode];
        let instruction = episode.instruction().unwrap_or_default();
        let secs = short(episode.length as f64 / episode.fps);
        let title = format!("{}, {secs} s: {instruction}", episode.name);
        draw(&title, &curves.collect::<Vec<_>>()).save_png(path)?;
    }
    Ok(errors)
}

/// What is drawn, as numbers.
fn write_numbers(path: &Path, episode: &Episode, compared: &Compared, errors: &[DimensionError]) -> Result<()> {
    let dimensions = errors.iter().enumerate().map(|(at, of)| {
        let values = |actions: &[Vec<f32>]| actions.iter().map(|action| action[at]).collect::<Vec<_>>();
        let (truth, predicted) = (values(&compared.truth), values(&compared.predicted));
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

/// Drives the policy through the frames of an episode, as a robot would that ends up where the demonstration did.
fn compare(
    args: &OpenLoopArgs,
    source: &dyn Source,
    episode: usize,
    policy: &mut dyn Policy,
    specification: &Specification,
) -> Result<Compared> {
    let Specification { control, features, execution, .. } = specification;
    let facts = &source.episodes()[episode];
    anyhow::ensure!(
        (facts.fps - control.control_rate_hz).abs() <= 1e-6 * facts.fps,
        "episode {} has {} actions a second, the policy {}: {}",
        facts.name,
        facts.fps,
        control.control_rate_hz,
        args.data.display()
    );
    let feature = |name: &str, wanted: &[String]| {
        let found = source.description().features.get(name).filter(|feature| feature.dtype.is_numeric());
        let found = found.map(Feature::dimension_names).with_context(|| {
            format!("these demonstrations have no feature `{name}` of numbers: {}", args.data.display())
        })?;
        anyhow::ensure!(
            found == wanted,
            "the dimensions of `{name}` are {found:?}, the policy's {wanted:?}: another robot's? {}",
            args.data.display()
        );
        let (values, width) = source.rows_of(episode, &[name])?.numbers(name)?;
        Ok(values.chunks(width).map(|row| row.iter().map(|v| *v as f32).collect()).collect())
    };
    let truth: Vec<Vec<f32>> = feature(&features.action, &control.action.names)?;
    let states: Vec<Vec<f32>> = match &control.proprio {
        None => vec![Vec::new(); truth.len()],
        Some(proprio) => feature(&features.state, &proprio.names)?,
    };
    let instruction = facts.instruction().unwrap_or_default().to_owned();
    let mut frames: Vec<Frame> = Vec::with_capacity(facts.length);
    let camera = source.description().camera(args.camera.as_deref())?;
    source.frames(episode, camera, &facts.frame_times(), &mut DecoderPool::new(1), &mut |_, frame| {
        frames.push(frame.clone());
        Ok(())
    })?;
    let mut history = History::new(control);
    let mut executor = ChunkExecutor::new(*execution, control.horizon, &control.action)?;
    let progress = Progress::new("driving", "steps");
    let mut predicted = Vec::new();
    let all = frames.len();
    for (step, (frame, state)) in frames.into_iter().zip(states).enumerate() {
        progress.set(step, all);
        history.push(step as f64 / facts.fps, frame, state);
        if executor.needs_chunk() {
            let observation = history.observe(&instruction).context("nothing was seen yet")?;
            executor.push(policy.infer(&observation)?);
        }
        predicted.push(executor.next_action().context("a chunk without actions")?);
    }
    Ok(Compared { truth, predicted })
}

/// Root mean squared error of a dimension, and the standard deviation of the true one, in the robot's units.
fn errors(compared: &Compared, at: usize) -> [f64; 2] {
    let pairs: Vec<[f64; 2]> = compared
        .truth
        .iter()
        .zip(&compared.predicted)
        .map(|(truth, predicted)| [f64::from(truth[at]), f64::from(predicted[at])])
        .collect();
    let count = pairs.len().max(1) as f64;
    let mean = pairs.iter().map(|[truth, _]| truth).sum::<f64>() / count;
    let error: f64 = pairs.iter().map(|[truth, predicted]| (predicted - truth).powi(2)).sum();
    let spread: f64 = pairs.iter().map(|[truth, _]| (truth - mean).powi(2)).sum();
    [(error / count).sqrt(), (spread / count).sqrt()]
}
