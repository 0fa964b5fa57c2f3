//! One episode on its way.

use std::time::Instant;

use vipra_control::{ActionChunk, ChunkExecutor, Execution, History, Observation, PolicyDescription};
use vipra_data::Frame;

use crate::environment::{Environment, Episode};
use crate::outcome::Outcome;
use crate::{Error, Result};

/// An environment with what its policy keeps of it.
pub(crate) struct Rollout {
    environment: Box<dyn Environment>,
    history: History,
    executor: ChunkExecutor,
    policy: PolicyDescription,
    keeps_frames: bool,
    running: Option<Running>,
}

/// Of the episode that runs.
struct Running {
    episode: Episode,
    began: Instant,
    steps: usize,
    success_any: bool,
    latencies: Vec<f64>,
    frames: Vec<Frame>,
}

/// An episode that is over, and what was seen of it.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) frames: Vec<Frame>,
}

impl Rollout {
    pub(crate) fn new(
        environment: Box<dyn Environment>,
        policy: &PolicyDescription,
        execution: Execution,
        keeps_frames: bool,
    ) -> Result<Self> {
        let executor = ChunkExecutor::new(execution, policy.horizon, &policy.action)?;
        let (history, policy) = (History::new(policy), policy.clone());
        Ok(Self { environment, history, executor, policy, keeps_frames, running: None })
    }

    /// Begins an episode.
    pub(crate) fn reset(&mut self, episode: &Episode) -> Result<()> {
        self.environment.reset(episode)?;
        self.history.clear();
        self.executor.reset();
        let (latencies, frames) = (Vec::new(), Vec::new());
        let episode = episode.clone();
        let began = Instant::now();
        self.running = Some(Running { episode, began, steps: 0, success_any: false, latencies, frames });
        Ok(())
    }

    /// Looks; what the policy is to be asked, if it is to be asked now.
    pub(crate) fn observe(&mut self) -> Result<Option<Observation>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        let (frame, state) = self.environment.observe()?;
        if self.keeps_frames {
            running.frames.push(frame.clone());
        }
        self.history.push(running.steps as f64 / self.policy.control_rate_hz, frame, state);
        Ok(match self.executor.needs_chunk() {
            true => self.history.observe(&self.environment.instruction()),
            false => None,
        })
    }

    /// Takes what the policy answered after so many milliseconds, if it is a chunk as the policy describes it.
    pub(crate) fn push_chunk(&mut self, chunk: vipra_control::Result<ActionChunk>, latency_ms: f64) -> Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let named = |error| {
            let Episode { split, seed, number } = running.episode.clone();
            Error::Policy { error, split, seed, episode: number }
        };
        let checked = chunk.and_then(|chunk| chunk.check(&self.policy).map(|()| chunk));
        self.executor.push(checked.map_err(named)?);
        running.latencies.push((latency_ms * 1e3).round() / 1e3);
        Ok(())
    }

    /// Does the next action. The episode runs to its last step whatever happens in it.
    pub(crate) fn step(&mut self) -> Result<Option<Ended>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        let no_action = || Error::Invalid("the policy answered with a chunk of no actions".to_owned());
        let action = self.executor.next_action().ok_or_else(no_action)?;
        self.environment.step(&action)?;
        running.steps += 1;
        running.success_any |= self.environment.verdict().success_now;
        Ok(if running.steps >= self.environment.most_steps() { self.end()? } else { None })
    }

    fn end(&mut self) -> Result<Option<Ended>> {
        let Some(running) = self.running.take() else { return Ok(None) };
        let mut frames = running.frames;
        if self.keeps_frames {
            frames.push(self.environment.observe()?.0);
        }
        let verdict = self.environment.verdict();
        let outcome = Outcome {
            task: self.environment.task(),
            split: running.episode.split,
            seed: running.episode.seed,
            episode: running.episode.number,
            instruction: self.environment.instruction(),
            success_last: verdict.success_now,
            success_any: running.success_any,
            grasped: verdict.grasped,
            touched: verdict.touched,
            moved_correct: verdict.moved_correct,
            moved_wrong: verdict.moved_wrong,
            steps: running.steps,
            secs: (running.began.elapsed().as_secs_f64() * 1e3).round() / 1e3,
            latencies: running.latencies,
        };
        Ok(Some(Ended { outcome, frames }))
    }
}
