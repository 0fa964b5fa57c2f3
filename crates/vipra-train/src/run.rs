//! The training loop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;
use crate::checkpoint::Checkpoints;
use crate::clock::Clock;
use crate::config::TrainConfig;
use crate::gradients::global_norm;
use crate::interrupt::Interrupt;
use crate::metrics::{Metrics, TRAIN};
use crate::passes::forward_backward;
use crate::stage::{Scalars, Stage};
use crate::training_state::{TrainingState, is_due};

/// Inputs of a run.
pub struct Run<'a> {
    /// The folder of the run, for metrics and checkpoints. The run resumes from the last checkpoint in it.
    pub folder: &'a Path,
    /// How to train.
    pub config: &'a TrainConfig,
    /// The whole configuration of the run. A checkpoint of another one is refused.
    pub configuration: Value,
    /// Header of the weights files, such as the configuration of the model.
    pub metadata: BTreeMap<String, String>,
    /// Raised to stop before the last step.
    pub interrupt: &'a Interrupt,
    /// Called with every event.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// Events of a run.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The run was resumed from a checkpoint after this many steps.
    Resumed(u64),
    /// A step was done.
    Stepped {
        /// Steps done so far.
        step: u64,
        /// Loss of the last one.
        loss: f64,
    },
    /// This step was skipped because its loss or gradient was not finite.
    Skipped(u64),
    /// Metrics were written after this many steps.
    Logged(u64, &'a Scalars),
    /// Held-out numbers after this many steps.
    Validated(u64, &'a Scalars),
    /// A checkpoint was written.
    Saved(&'a Path),
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome<M> {
    /// All steps are done.
    Finished {
        /// The trained model, in evaluation mode; with averaged weights, if the run keeps an average.
        model: M,
        /// Its last checkpoint.
        checkpoint: PathBuf,
        /// Its held-out numbers.
        validation: Scalars,
    },
    /// It was asked to stop, and can be resumed.
    Interrupted {
        /// Steps done.
        step: u64,
        /// The checkpoint to resume from.
        checkpoint: PathBuf,
    },
}

/// An [`Outcome`] without its model.
#[derive(Debug)]
pub struct Ended {
    /// Its last checkpoint.
    pub checkpoint: PathBuf,
    /// Steps done, if it was asked to stop before the last one.
    pub interrupted_at: Option<u64>,
    /// Held-out numbers; none if it was asked to stop.
    pub validation: Scalars,
}

impl<M> From<Outcome<M>> for Ended {
    fn from(outcome: Outcome<M>) -> Self {
        match outcome {
            Outcome::Finished { checkpoint, validation, .. } => Self { checkpoint, interrupted_at: None, validation },
            Outcome::Interrupted { step, checkpoint } => {
                Self { checkpoint, interrupted_at: Some(step), validation: Scalars::new() }
            }
        }
    }
}

/// Trains a model, from its last checkpoint if there is one.
///
/// # Errors
/// What the stage reports; [`Error::NotFinite`](crate::Error::NotFinite); what is wrong with a checkpoint; what keeps
/// metrics and checkpoints from being written.
pub fn run<S: Stage>(stage: &mut S, model: S::Model, mut run: Run<'_>) -> Result<Outcome<S::Model>> {
    let config = run.config;
    let checkpoints = Checkpoints::of_run(run.folder, config.checkpoint.clone());
    checkpoints.remove_unfinished()?;
    let mut state = TrainingState::begin_or_resume(stage, model, &checkpoints, &mut run)?;
    let mut metrics = Metrics::open(run.folder, state.step)?;
    let mut clock = Clock::start();
    // The checkpoint that the run resumes from is not written again: for a moment there would be none.
    let mut saved = checkpoints.existing(state.step);
    // Held-out numbers of the current model, if they are due.
    let mut validation = None;
    // A run that stopped between a checkpoint and its validation catches up on the validation.
    let is_behind = state.step > 0 && !metrics.has_validation(state.step);
    if is_behind && is_due(state.step, config.validate_every, config.steps) {
        validation = Some(state.validate(stage, &mut metrics, &mut run)?);
    }

    while state.step < config.steps && !run.interrupt.is_raised() {
        let mut step = state.begin_step(config);
        let learning_rate = config.optimizer.rate_at(step.number, config.steps);

        let passes = forward_backward(stage, &state.model, config, &mut step, &mut clock)?;
        let gradient_norm = global_norm(&state.model, &passes.gradients);
        if passes.loss.is_finite() && gradient_norm.is_finite() {
            state.update(stage, passes.gradients, gradient_norm, learning_rate, config);
            // Not after a skipped step: non-finite numbers must not get into the model this way either.
            state.model = stage.after_step(state.model, &mut step)?;
        } else {
            state.skip(config)?;
            stage.step_skipped();
            (run.progress)(Progress::Skipped(step.number));
        }
        state.step += 1;
        clock.steps += 1;
        (run.progress)(Progress::Stepped { step: state.step, loss: passes.loss });

        if step.is_logged {
            let update = [
                ("gradient_norm", gradient_norm),
                ("learning_rate", learning_rate),
                ("skipped_steps", state.skipped as f64),
            ];
            let scalars = step_scalars(passes.loss, passes.parts, update, stage.observe(), clock.lap());
            metrics.write(state.step, TRAIN, &scalars)?;
            (run.progress)(Progress::Logged(state.step, &scalars));
        }
        saved = None;
        // Before the validation, which may take long or fail.
        if is_due(state.step, config.checkpoint.every, config.steps) {
            saved = Some(state.save(stage, &checkpoints, &mut run)?);
            clock.restart();
        }
        validation = None;
        if is_due(state.step, config.validate_every, config.steps) {
            validation = Some(state.validate(stage, &mut metrics, &mut run)?);
            clock.restart();
        }
    }

    if state.step < config.steps {
        let checkpoint = saved.map_or_else(|| state.save(stage, &checkpoints, &mut run), Ok)?;
        return Ok(Outcome::Interrupted { step: state.step, checkpoint });
    }
    // A run that was already finished when it was started has none yet.
    let validation = validation.map_or_else(|| state.validate_again(stage, &mut metrics), Ok)?;
    Ok(Outcome::Finished { model: state.eval_model(), checkpoint: checkpoints.path(state.step), validation })
}

/// The metrics of a step, in the order in which they are written.
fn step_scalars(loss: f64, parts: Scalars, update: [(&str, f64); 3], observed: Scalars, speed: Scalars) -> Scalars {
    let named = |(name, value): (&str, f64)| (name.to_owned(), value);
    let mut scalars = vec![named(("loss", loss))];
    scalars.extend(parts);
    scalars.extend(update.map(named));
    scalars.extend(observed);
    scalars.extend(speed);
    scalars
}
