//! From chunks to single actions.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ensemble::Ensemble;
use crate::{ActionChunk, ActionSpace, Error, Result};

/// How chunks are executed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Execution {
    /// The first actions of a chunk, then a new chunk (the paper: 7 of 14; the published client: all).
    First {
        /// So many.
        actions: usize,
    },
    /// A new chunk at every step; its first action is averaged with those that earlier chunks hold for the same step. The
    /// oldest one has the weight 1, the next `exp(-decay)`, and so on: at 0 all weigh the same, and above it older chunks
    /// weigh more (after ACT).
    Ensemble {
        /// How fast newer chunks weigh less.
        decay: f64,
    },
}

impl Default for Execution {
    fn default() -> Self {
        Self::First { actions: 7 }
    }
}

/// Makes actions of chunks, one a step.
#[derive(Debug, Clone)]
pub struct ChunkExecutor {
    execution: Execution,
    ensemble: Ensemble,
    /// What is left of each chunk, the oldest first; the first action of each is for the current step.
    chunks: VecDeque<VecDeque<Vec<f32>>>,
}

impl ChunkExecutor {
    /// Executes chunks of `horizon` actions of `space`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if fewer than one or more than all actions of a chunk are to be executed, or a decay is no number.
    pub fn new(execution: Execution, horizon: usize, space: &ActionSpace) -> Result<Self> {
        match execution {
            Execution::First { actions } if actions == 0 || actions > horizon => {
                Err(Error::Invalid(format!("cannot execute {actions} actions: a chunk has {horizon}")))
            }
            Execution::Ensemble { decay } if !decay.is_finite() => {
                Err(Error::Invalid(format!("a decay of {decay} weighs nothing")))
            }
            _ => Ok(Self { execution, ensemble: Ensemble::new(space), chunks: VecDeque::new() }),
        }
    }

    /// Whether a new chunk is needed before the next action.
    pub fn needs_chunk(&self) -> bool {
        match self.execution {
            Execution::First { .. } => self.chunks.is_empty(),
            Execution::Ensemble { .. } => true,
        }
    }

    /// Takes in a chunk whose first action is for the current step.
    pub fn push(&mut self, chunk: ActionChunk) {
        let mut actions = VecDeque::from(chunk.actions);
        if let Execution::First { actions: first } = self.execution {
            self.chunks.clear();
            actions.truncate(first);
        }
        if !actions.is_empty() {
            self.chunks.push_back(actions);
        }
    }

    /// The action of this step; the next call is for the next step. None without a chunk. An ensemble averages angles (units `rad`
    /// and `deg`) along the shorter way from that of the newest chunk, so that they may lie a little beyond half a turn.
    pub fn next_action(&mut self) -> Option<Vec<f32>> {
        let now: Vec<Vec<f32>> = self.chunks.iter_mut().filter_map(VecDeque::pop_front).collect();
        self.chunks.retain(|chunk| !chunk.is_empty());
        match self.execution {
            Execution::First { .. } => now.into_iter().next_back(),
            Execution::Ensemble { decay } => self.ensemble.average(&now, decay),
        }
    }

    /// An episode begins.
    pub fn reset(&mut self) {
        self.chunks.clear();
    }
}

#[cfg(test)]
mod tests {
    use vipra_data::normalize::Normalizer;

    use super::*;
    use crate::{ActionKind, Gripper, RotationForm};

    fn space() -> ActionSpace {
        ActionSpace {
            kind: ActionKind::DeltaEndEffector,
            rotation: RotationForm::None,
            gripper: Some(Gripper { dimension: "gripper".into(), open: 1.0, closed: -1.0 }),
            names: vec!["x".into(), "gripper".into()],
            units: vec!["m".into(), "1".into()],
            normalizer: Normalizer { offset: vec![0.0; 2], scale: vec![1.0; 2] },
        }
    }

    fn chunk(first: f32, gripper: f32) -> ActionChunk {
        ActionChunk { actions: (0..4).map(|step| vec![first + step as f32, gripper]).collect() }
    }

    #[test]
    fn the_first_actions_are_executed_then_a_new_chunk_is_asked_for() {
        let mut executor = ChunkExecutor::new(Execution::First { actions: 2 }, 4, &space()).unwrap();
        assert!(executor.needs_chunk());
        assert_eq!(executor.next_action(), None);
        executor.push(chunk(10.0, 1.0));
        assert_eq!(executor.next_action().unwrap(), [10.0, 1.0]);
        assert!(!executor.needs_chunk());
        assert_eq!(executor.next_action().unwrap(), [11.0, 1.0]);
        assert!(executor.needs_chunk());
        executor.push(chunk(20.0, 1.0));
        executor.reset();
        assert!(executor.needs_chunk());
    }

    #[test]
    fn an_ensemble_averages_what_chunks_hold_for_the_same_step() {
        let decay = 0.5_f64;
        let mut executor = ChunkExecutor::new(Execution::Ensemble { decay }, 4, &space()).unwrap();
        executor.push(chunk(0.0, 1.0));
        assert_eq!(executor.next_action().unwrap(), [0.0, 1.0]);
        executor.push(chunk(3.0, 1.0));
        let share = (-decay).exp();
        let expected = (1.0 + share * 3.0) / (1.0 + share);
        assert!((f64::from(executor.next_action().unwrap()[0]) - expected).abs() < 1e-6);
        // After four steps the first chunk is used up.
        executor.push(chunk(2.0, 1.0));
        executor.next_action();
        executor.push(chunk(3.0, 1.0));
        executor.next_action();
        executor.push(chunk(4.0, 1.0));
        assert_eq!(executor.chunks.len(), 4);
        executor.next_action();
        assert_eq!(executor.chunks.len(), 3);
    }

    #[test]
    fn an_ensemble_never_opens_a_gripper_half_way() {
        let mut executor = ChunkExecutor::new(Execution::Ensemble { decay: 0.0 }, 4, &space()).unwrap();
        for gripper in [1.0, -1.0, -0.9] {
            executor.push(chunk(0.0, gripper));
            let action = executor.next_action().unwrap();
            assert!(action[1].abs() >= 0.9, "{action:?}");
        }
    }

    #[test]
    fn executions_that_make_no_sense_are_refused() {
        for execution in
            [Execution::First { actions: 0 }, Execution::First { actions: 5 }, Execution::Ensemble { decay: f64::NAN }]
        {
            assert!(ChunkExecutor::new(execution, 4, &space()).is_err());
        }
    }
}
