//! The loop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, ElementConversion, Tensor};
use rand::Rng;
use serde_json::Value;

use crate::checkpoint::{self, Checkpoints, Contents, EMA_FILE, MODEL_FILE, State};
use crate::config::TrainConfig;
use crate::ema::MovingAverage;
use crate::gradients::{accumulate, global_norm, scale};
use crate::interrupt::Interrupt;
use crate::metrics::{Metrics, TRAIN, VALIDATION};
use crate::optimizer::Optimizer;
use crate::random;
use crate::stage::{Losses, Scalars, Stage, Step};
use crate::{Error, Result};

/// Where a run lives and what it is told.
pub struct Run<'a> {
    /// The folder of the run; metrics and checkpoints go there, and it resumes from what it finds there.
    pub folder: &'a Path,
    /// How to train.
    pub config: &'a TrainConfig,
    /// Whole configuration of the run. A checkpoint made with another one is refused.
    pub configuration: Value,
    /// What the weights' file says of itself, such as the configuration of the model.
    pub metadata: BTreeMap<String, String>,
    /// When to stop before the last step.
    pub interrupt: &'a Interrupt,
    /// Told what happens.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// What happens in a run.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It goes on from a checkpoint after this many steps.
    Resumed(u64),
    /// Steps done so far, and the loss of the last one.
    Stepped(u64, f64),
    /// The loss or its gradient was no number in this step, which changed nothing.
    Skipped(u64),
    /// Numbers of the last steps were written down.
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
        /// The trained model, in evaluation mode; averaged, if the run keeps an average.
        model: M,
        /// Its last checkpoint.
        checkpoint: PathBuf,
        /// Its held-out numbers.
        validation: Scalars,
    },
    /// It was asked to stop, and goes on when it is called again.
    Interrupted {
        /// Steps done.
        step: u64,
        /// Where they are kept.
        checkpoint: PathBuf,
    },
}

/// What a stage tells of a run that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its last checkpoint.
    pub checkpoint: PathBuf,
    /// Steps done, if it was asked to stop before the last.
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
/// What the stage reports; [`Error::NotFinite`]; what is wrong with a checkpoint; what keeps metrics and checkpoints from
/// being written.
pub fn run<S: Stage>(stage: &mut S, model: S::Model, mut run: Run<'_>) -> Result<Outcome<S::Model>> {
    let config = run.config;
    let checkpoints = Checkpoints::of_run(run.folder, config.checkpoint.clone());
    checkpoints.remove_unfinished()?;
    let mut trained = Trained::begin_or_resume(stage, model, &checkpoints, &mut run)?;
    let mut metrics = Metrics::open(run.folder, trained.step)?;
    let mut clock = Clock::start();
    let mut validation = Scalars::new();
    // The checkpoint that the run goes on from is not written again: for a moment there would be none.
    let (mut saved, mut validated) = (checkpoints.existing(trained.step), false);
    // What stopped between a checkpoint and its validation catches up on that.
    let is_behind = trained.step > 0 && !metrics.has_validation(trained.step);
    if is_behind && is_due(trained.step, config.validate_every, config.steps) {
        validation = trained.validate(stage, &mut metrics, &mut run)?;
        validated = true;
    }

    while trained.step < config.steps && !run.interrupt.is_raised() {
        let mut step = trained.begin_step(config);
        let rate = config.optimizer.rate_at(step.number, config.steps);

        let forward = forward_backward(stage, &trained.model, config, &mut step, &mut clock)?;
        let norm = global_norm(&trained.model, &forward.gradients);
        if forward.loss.is_finite() && norm.is_finite() {
            trained.update(stage, forward.gradients, norm, rate, config);
            // Not after a skipped step: what is no number must not get into the model by this way either.
            trained.model = stage.after_step(trained.model, &mut step)?;
        } else {
            trained.skip(config)?;
            stage.step_skipped();
            (run.progress)(Progress::Skipped(step.number));
        }
        trained.step += 1;
        clock.steps += 1;
        (run.progress)(Progress::Stepped(trained.step, forward.loss));

        if step.is_logged {
            let mut scalars = vec![("loss".to_owned(), forward.loss)];
            scalars.extend(forward.parts);
            scalars.extend([("gradient_norm".to_owned(), norm), ("learning_rate".to_owned(), rate)]);
            scalars.push(("skipped_steps".to_owned(), trained.skipped as f64));
            scalars.extend(stage.observe());
            scalars.extend(clock.lap());
            metrics.write(trained.step, TRAIN, &scalars)?;
            (run.progress)(Progress::Logged(trained.step, &scalars));
        }
        saved = None;
        // Before a validation, which may take long, and fail.
        if is_due(trained.step, config.checkpoint.every, config.steps) {
            saved = Some(trained.save(stage, &checkpoints, &mut run)?);
            clock.skip();
        }
        validated = is_due(trained.step, config.validate_every, config.steps);
        if validated {
            validation = trained.validate(stage, &mut metrics, &mut run)?;
            clock.skip();
        }
    }

    if trained.step < config.steps {
        let checkpoint = saved.map_or_else(|| trained.save(stage, &checkpoints, &mut run), Ok)?;
        return Ok(Outcome::Interrupted { step: trained.step, checkpoint });
    }
    let model = trained.for_use();
    if !validated {
        // The run was already finished when it was called.
        validation = stage.validate(&model)?;
    }
    Ok(Outcome::Finished { model, checkpoint: checkpoints.path(trained.step), validation })
}

/// Whether something that happens every so many steps, and at the end, happens now.
fn is_due(step: u64, every: u64, last: u64) -> bool {
    step == last || (every > 0 && step.is_multiple_of(every))
}

/// Everything that a step changes.
struct Trained<M> {
    model: M,
    optimizer: Optimizer,
    average: Option<MovingAverage<M>>,
    /// Steps done.
    step: u64,
    /// Steps that changed nothing.
    skipped: u64,
    device: Device,
}

impl<M: Module> Trained<M> {
    fn begin_or_resume<S: Stage<Model = M>>(
        stage: &mut S,
        model: M,
        checkpoints: &Checkpoints,
        run: &mut Run<'_>,
    ) -> Result<Self> {
        let config = run.config;
        let device = model.devices().into_iter().next();
        let device = device.ok_or_else(|| Error::Invalid("the model has no parameters".to_owned()))?;
        let average = |model: &M| (config.ema_decay > 0.0).then(|| MovingAverage::new(config.ema_decay, model));
        let Some(path) = checkpoints.latest()? else {
            let optimizer = Optimizer::new(config.optimizer.clone());
            let average = average(&model);
            return Ok(Self { model, optimizer, average, step: 0, skipped: 0, device });
        };
        let state = checkpoint::read_state(&path)?;
        checkpoint::check_configuration(&path, &state, &run.configuration)?;
        let model = checkpoint::load_model(&path, MODEL_FILE, model)?;
        let moments = checkpoint::load_optimizer(&path)?;
        let updates = state.step - state.skipped;
        let optimizer = Optimizer::from_weights(config.optimizer.clone(), updates, &moments, &model)?;
        let average = match average(&model) {
            Some(_) => {
                let averaged = checkpoint::load_model(&path, EMA_FILE, model.valid())?;
                Some(MovingAverage::new(config.ema_decay, &averaged))
            }
            None => None,
        };
        stage.restore(state.stage)?;
        (run.progress)(Progress::Resumed(state.step));
        Ok(Self { model, optimizer, average, step: state.step, skipped: state.skipped, device })
    }

    /// Seeds everything random in the next step.
    fn begin_step(&self, config: &TrainConfig) -> Step {
        let mut random = random::for_step(config.seed, self.step);
        self.device.seed(random.next_u64());
        let done = self.step + 1;
        Step { number: self.step, is_logged: is_due(done, config.log_every, config.steps), random }
    }

    fn update<S: Stage<Model = M>>(
        &mut self,
        stage: &S,
        gradients: GradientsParams,
        norm: f64,
        rate: f64,
        config: &TrainConfig,
    ) where
        M: Module,
    {
        let limit = config.optimizer.clip_norm;
        let gradients = match limit > 0.0 && norm > limit {
            true => scale(&self.model, gradients, limit / norm),
            false => gradients,
        };
        let factor = |name: &str| stage.rate_factor(name);
        self.model = self.optimizer.step(self.model.clone(), gradients, rate, &factor);
        if let Some(average) = &mut self.average {
            average.update(&self.model);
        }
    }

    fn skip(&mut self, config: &TrainConfig) -> Result<()> {
        self.skipped += 1;
        if self.skipped > config.skip_limit {
            return Err(Error::NotFinite { count: self.skipped, limit: config.skip_limit, step: self.step });
        }
        tracing::warn!("step {}: the loss or its gradient is no number; the step is skipped", self.step);
        Ok(())
    }

    /// The model to evaluate: averaged, if there is an average.
    fn for_use(&self) -> M {
        self.average.as_ref().map_or_else(|| self.model.valid(), |average| average.average().clone())
    }

    /// Measures the model and writes that down.
    fn validate<S: Stage<Model = M>>(
        &self,
        stage: &mut S,
        metrics: &mut Metrics,
        run: &mut Run<'_>,
    ) -> Result<Scalars> {
        let validation = stage.validate(&self.for_use())?;
        metrics.write(self.step, VALIDATION, &validation)?;
        (run.progress)(Progress::Validated(self.step, &validation));
        Ok(validation)
    }

    fn save<S: Stage<Model = M>>(&self, stage: &S, checkpoints: &Checkpoints, run: &mut Run<'_>) -> Result<PathBuf> {
        let state = State {
            step: self.step,
            skipped: self.skipped,
            stage: stage.state(),
            configuration: run.configuration.clone(),
        };
        let path = checkpoints.write(&Contents {
            model: &self.model,
            average: self.average.as_ref(),
            optimizer: &self.optimizer,
            state: &state,
            metadata: &run.metadata,
        })?;
        (run.progress)(Progress::Saved(&path));
        Ok(path)
    }
}

/// Outcome of the forward and backward passes of a step.
struct Forward {
    loss: f64,
    parts: Scalars,
    gradients: GradientsParams,
}

/// The passes of one step: their mean loss and the gradient of it.
fn forward_backward<S: Stage>(
    stage: &mut S,
    model: &S::Model,
    config: &TrainConfig,
    step: &mut Step,
    clock: &mut Clock,
) -> Result<Forward> {
    let share = 1.0 / config.accumulation as f64;
    let (mut loss, mut parts, mut gradients) = (0.0, Scalars::new(), None);
    for _ in 0..config.accumulation {
        let before = Instant::now();
        let batch = stage.next_batch()?;
        clock.waited += before.elapsed();
        let Losses { total, parts: terms } = stage.loss(model, batch, step)?;
        let of_pass = scalar(total.clone());
        loss += of_pass * share;
        if step.is_logged {
            add_parts(&mut parts, terms, share);
        }
        if !of_pass.is_finite() {
            // A backward pass of it would only spread it.
            continue;
        }
        let new = GradientsParams::from_grads((total * share).backward(), model);
        gradients = Some(accumulate(model, gradients, new));
    }
    Ok(Forward { loss, parts, gradients: gradients.unwrap_or_default() })
}

fn add_parts(parts: &mut Scalars, terms: Vec<(&'static str, Tensor<1>)>, share: f64) {
    for (name, term) in terms {
        let value = scalar(term) * share;
        match parts.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += value,
            None => parts.push((name.to_owned(), value)),
        }
    }
}

fn scalar(tensor: Tensor<1>) -> f64 {
    tensor.detach().into_scalar::<f32>().elem()
}

/// How fast the run goes, and how long it waits.
struct Clock {
    since: Instant,
    steps: u64,
    waited: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { since: Instant::now(), steps: 0, waited: Duration::ZERO }
    }

    /// Speed since the last lap; the next one begins.
    fn lap(&mut self) -> Scalars {
        let secs = self.since.elapsed().as_secs_f64().max(1e-9);
        let scalars = vec![
            ("steps_per_sec".to_owned(), self.steps as f64 / secs),
            ("data_wait".to_owned(), self.waited.as_secs_f64() / secs),
        ];
        *self = Self::start();
        scalars
    }

    /// Leaves out what was not training. The steps of the lap so far go with it, so that the speed stays right.
    fn skip(&mut self) {
        *self = Self::start();
    }
}
