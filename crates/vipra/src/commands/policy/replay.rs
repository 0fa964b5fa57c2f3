//! A recorded episode, seen again by a policy: what it would have done beside what was done.

use anyhow::{Context, Result};
use vipra_control::{ChunkExecutor, History, Policy};
use vipra_data::video::DecoderPool;
use vipra_data::{Episode, Feature, Frame, Source};
use vipra_policy::policy::Specification;

use crate::progress::Progress;

/// True actions and the policy's, step by step, `[steps][dimensions]`, in the robot's units.
pub struct Replay {
    pub truth: Vec<Vec<f32>>,
    pub predicted: Vec<Vec<f32>>,
}

/// What was recorded of an episode, as the policy is to see it, and what was done.
struct Recorded {
    frames: Vec<Frame>,
    /// Empty ones for a policy that sees none.
    states: Vec<Vec<f32>>,
    actions: Vec<Vec<f32>>,
}

/// Shows a policy an episode from its beginning to its end.
///
/// # Errors
/// What is wrong with the episode, or that it was recorded with another robot or at another rate than the policy's.
pub fn replay(
    source: &dyn Source,
    episode: usize,
    camera: Option<&str>,
    policy: &mut dyn Policy,
    specification: &Specification,
) -> Result<Replay> {
    let recorded = Recorded::read(source, episode, camera, specification)?;
    let predicted = drive(&source.episodes()[episode], recorded.frames, recorded.states, policy, specification)?;
    Ok(Replay { truth: recorded.actions, predicted })
}

impl Recorded {
    fn read(source: &dyn Source, episode: usize, camera: Option<&str>, specification: &Specification) -> Result<Self> {
        let Specification { control, features, .. } = specification;
        let facts = &source.episodes()[episode];
        anyhow::ensure!(
            (facts.fps - control.control_rate_hz).abs() <= 1e-6 * facts.fps,
            "episode {} has {} actions a second, the policy {}: {}",
            facts.name,
            facts.fps,
            control.control_rate_hz,
            source.description().root.display()
        );
        let actions = read_feature(source, episode, &features.action, &control.action.names)?;
        let states = match &control.proprio {
            None => vec![Vec::new(); actions.len()],
            Some(proprio) => read_feature(source, episode, &features.state, &proprio.names)?,
        };
        let camera = source.description().camera(camera)?;
        let mut frames: Vec<Frame> = Vec::with_capacity(facts.length);
        source.frames(episode, camera, &facts.frame_times(), &mut DecoderPool::new(1), &mut |_, frame| {
            frames.push(frame.clone());
            Ok(())
        })?;
        Ok(Self { frames, states, actions })
    }
}

/// Reads the rows of a feature whose dimensions have to be those that the policy knows, `[steps][dimensions]`.
fn read_feature(source: &dyn Source, episode: usize, name: &str, wanted: &[String]) -> Result<Vec<Vec<f32>>> {
    let root = source.description().root.display();
    let found = source.description().features.get(name).filter(|feature| feature.dtype.is_numeric());
    let found = found
        .map(Feature::dimension_names)
        .with_context(|| format!("these demonstrations have no feature `{name}` of numbers: {root}"))?;
    anyhow::ensure!(
        found == wanted,
        "the dimensions of `{name}` are {found:?}, the policy's {wanted:?}: another robot's? {root}"
    );
    let (values, width) = source.rows_of(episode, &[name])?.numbers(name)?;
    Ok(values.chunks(width).map(|row| row.iter().map(|value| *value as f32).collect()).collect())
}

/// Drives the policy through the frames of an episode, as a robot would that ends up where the demonstration did. Returns its
/// actions.
fn drive(
    episode: &Episode,
    frames: Vec<Frame>,
    states: Vec<Vec<f32>>,
    policy: &mut dyn Policy,
    specification: &Specification,
) -> Result<Vec<Vec<f32>>> {
    let Specification { control, execution, .. } = specification;
    let instruction = episode.instruction().unwrap_or_default();
    let mut history = History::new(control);
    let mut executor = ChunkExecutor::new(*execution, control.horizon, &control.action)?;
    let progress = Progress::new("driving", "steps");
    let all = frames.len();
    let mut predicted = Vec::with_capacity(all);
    for (step, (frame, state)) in frames.into_iter().zip(states).enumerate() {
        progress.set(step, all);
        history.push(step as f64 / episode.fps, frame, state);
        if executor.needs_chunk() {
            let observation = history.observe(instruction).context("nothing was seen yet")?;
            executor.push(policy.infer(&observation)?);
        }
        predicted.push(executor.next_action().context("a chunk without actions")?);
    }
    Ok(predicted)
}
