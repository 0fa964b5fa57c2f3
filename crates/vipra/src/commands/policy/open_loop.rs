//! `vipra policy open-loop`.

use anyhow::{Context, Result};
use serde_json::json;
use vipra_control::{ChunkExecutor, Execution, History, Policy};
use vipra_data::video::DecoderPool;
use vipra_data::{Frame, OpenOptions, Source};
use vipra_policy::policy::Package;

use super::curves::{Curve, draw};
use crate::cli::OpenLoopArgs;
use crate::commands::Outcome;
use crate::commands::laq::device;
use crate::files::create_parent;
use crate::output::{print, print_json, short, table};
use crate::progress::Progress;

/// True actions and the policy's, step by step, `[steps][dimensions]`.
struct Compared {
    truth: Vec<Vec<f32>>,
    predicted: Vec<Vec<f32>>,
}

pub fn run(args: &OpenLoopArgs) -> Result<Outcome> {
    let package = Package::open(&args.package)?;
    let mut policy = package.policy(&device(&args.device)?)?;
    let source = vipra_data::open(&args.data, &OpenOptions::default())
        .with_context(|| format!("opening {}", args.data.display()))?;
    let episode = source.episodes().iter().position(|episode| episode.name == args.episode);
    let episode = episode.with_context(|| {
        let count = source.episodes().len();
        format!("there is no episode `{}` among the {count} of {}", args.episode, args.data.display())
    })?;
    let compared = compare(args, source.as_ref(), episode, &mut policy, package.specification.execution)?;
    let names = &package.specification.control.action.names;
    let errors: Vec<[f64; 2]> = (0..names.len()).map(|at| errors(&compared, at)).collect();
    if let Some(path) = &args.out {
        create_parent(path)?;
        let curves = names.iter().enumerate().map(|(at, name)| {
            let of = |actions: &[Vec<f32>]| actions.iter().map(|action| action[at]).collect();
            Curve { name: name.clone(), truth: of(&compared.truth), predicted: of(&compared.predicted) }
        });
        draw(&curves.collect::<Vec<_>>()).save_png(path)?;
    }
    if args.json {
        let rows = names
            .iter()
            .zip(&errors)
            .map(|(name, [error, spread])| json!({ "dimension": name, "error": error, "spread": spread }));
        print_json(&rows.collect::<Vec<_>>())?;
    } else {
        let rows = names.iter().zip(&errors).map(|(name, [error, spread])| {
            let share = if *spread > 0.0 { short((error / spread).powi(2)) } else { String::new() };
            vec![name.clone(), short(*error), short(*spread), share]
        });
        print(&table(&["action", "error", "spread", "error² / spread²"], rows.collect(), 1))?;
    }
    Ok(Outcome::Done)
}

/// Drives the policy through the frames of an episode, as a robot would that ends up where the demonstration did.
fn compare(
    args: &OpenLoopArgs,
    source: &dyn Source,
    episode: usize,
    policy: &mut dyn Policy,
    execution: Execution,
) -> Result<Compared> {
    let description = policy.describe().clone();
    let facts = &source.episodes()[episode];
    let rows = source.rows(episode)?;
    let feature = |wanted: &[String]| {
        let known = source.description().features.iter();
        let found = known.filter(|(_, feature)| feature.dtype.is_numeric());
        let mut found = found.filter(|(_, feature)| feature.dimension_names() == wanted);
        let (name, _) = found.next().with_context(|| {
            format!(
                "these demonstrations have no feature of the dimensions {wanted:?}: another robot's? {}",
                args.data.display()
            )
        })?;
        let (values, width) = rows.numbers(name)?;
        Ok::<_, anyhow::Error>(values.chunks(width).map(|row| row.iter().map(|v| *v as f32).collect()).collect())
    };
    let truth: Vec<Vec<f32>> = feature(&description.action.names)?;
    let states: Vec<Vec<f32>> = match &description.proprio {
        None => vec![Vec::new(); truth.len()],
        Some(proprio) => feature(&proprio.names)?,
    };
    let instruction = facts.instruction().unwrap_or_default().to_owned();
    let mut frames: Vec<Frame> = Vec::with_capacity(facts.length);
    let camera = source.description().camera(args.camera.as_deref())?;
    source.frames(episode, camera, &facts.frame_times(), &mut DecoderPool::new(1), &mut |_, frame| {
        frames.push(frame.clone());
        Ok(())
    })?;
    let mut history = History::new(&description);
    let mut executor = ChunkExecutor::new(execution, description.horizon, &description.action)?;
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
