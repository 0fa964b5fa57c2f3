//! An environment and policies that were made up.

#![allow(dead_code, reason = "each test crate that includes this file uses a part of it")]

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use vipra_control::{
    ActionChunk, ActionKind, ActionSpace, Gripper, Observation, Policy, PolicyDescription, ProprioSpace, RotationForm,
};
use vipra_data::Frame;
use vipra_data::normalize::Normalizer;
use vipra_eval::{Environment, Episode, Error, Verdict};

/// Steps of an episode.
pub(crate) const STEPS: usize = 5;

/// Succeeds by its number: 0, 3, … from the second step on; 1, 4, … at the second step only; others never. What it calls
/// grasped hangs on the actions, which a policy draws.
pub(crate) struct Counted {
    episode: Option<Episode>,
    steps: usize,
    sum: f32,
    /// The episode that cannot begin.
    pub(crate) broken: Option<u64>,
}

impl Counted {
    pub(crate) fn new(broken: Option<u64>) -> Self {
        Self { episode: None, steps: 0, sum: 0.0, broken }
    }

    fn number(&self) -> u64 {
        self.episode.as_ref().map_or(0, |episode| episode.number)
    }
}

impl Environment for Counted {
    fn reset(&mut self, episode: &Episode) -> vipra_eval::Result<()> {
        if self.broken == Some(episode.number) {
            return Err(Error::Invalid("the power failed".to_owned()));
        }
        (self.episode, self.steps, self.sum) = (Some(episode.clone()), 0, 0.0);
        Ok(())
    }

    fn observe(&mut self) -> vipra_eval::Result<(Frame, Vec<f32>)> {
        Ok((Frame::from_pixels(16, 16, vec![self.steps as u8; 16 * 16 * 3]).unwrap(), vec![self.steps as f32]))
    }

    fn step(&mut self, action: &[f32]) -> vipra_eval::Result<()> {
        self.sum += action[0];
        self.steps += 1;
        Ok(())
    }

    fn instruction(&self) -> String {
        format!("count to {}", self.number())
    }

    fn task(&self) -> String {
        "count".to_owned()
    }

    fn verdict(&self) -> Verdict {
        let success_now = match self.number() % 3 {
            0 => self.steps >= 2,
            1 => self.steps == 2,
            _ => false,
        };
        Verdict { success_now, grasped: self.sum > 0.0, ..Verdict::default() }
    }

    fn most_steps(&self) -> usize {
        STEPS
    }
}

pub(crate) fn description(names: &[&str], states: &[&str], horizon: usize) -> PolicyDescription {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let same = |width: usize| Normalizer { offset: vec![0.0; width], scale: vec![1.0; width] };
    PolicyDescription {
        policy: "made".into(),
        action: ActionSpace {
            kind: ActionKind::DeltaEndEffector,
            rotation: RotationForm::RotationVector,
            gripper: Some(Gripper { dimension: (*names.last().unwrap()).into(), open: 1.0, closed: -1.0 }),
            names: owned(names),
            units: vec!["1".into(); names.len()],
            normalizer: same(names.len()),
        },
        proprio: (!states.is_empty()).then(|| ProprioSpace {
            names: owned(states),
            states: 1,
            normalizer: same(states.len()),
        }),
        horizon,
        control_rate_hz: 5.0,
        frame_interval_secs: 0.2,
        image_size: [64, 64],
        crops: 1,
        fingerprints: BTreeMap::from([("model".into(), "abc".into())]),
    }
}

/// Draws its actions, and remembers how many observations it was shown at a time.
pub(crate) struct Drawing {
    description: PolicyDescription,
    random: ChaCha8Rng,
    pub(crate) batches: Vec<usize>,
    pub(crate) seen: Vec<Observation>,
}

impl Drawing {
    pub(crate) fn new() -> Self {
        let random = ChaCha8Rng::seed_from_u64(3);
        Self { description: description(&["x", "grip"], &["step"], 4), random, batches: Vec::new(), seen: Vec::new() }
    }
}

impl Policy for Drawing {
    fn describe(&self) -> &PolicyDescription {
        &self.description
    }

    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<vipra_control::Result<ActionChunk>> {
        self.batches.push(observations.len());
        self.seen.extend(observations.iter().cloned());
        let mut chunk =
            || ActionChunk { actions: (0..4).map(|_| vec![self.random.random_range(-1.0..1.0), 1.0]).collect() };
        observations.iter().map(|_| Ok(chunk())).collect()
    }

    fn reset(&mut self) {
        self.random = ChaCha8Rng::seed_from_u64(3);
    }
}
