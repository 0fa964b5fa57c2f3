//! The state of a training, which checkpoints save and steps change.

use std::path::PathBuf;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use rand::Rng;

use crate::checkpoint::{self, Checkpoints, Contents, EMA_FILE, MODEL_FILE, State};
use crate::config::TrainConfig;
use crate::ema::MovingAverage;
use crate::gradients::clip_by_norm;
use crate::initialization::draw_parameters;
use crate::metrics::{Metrics, VALIDATION};
use crate::optimizer::Optimizer;
use crate::run::{Progress, Run};
use crate::stage::{Scalars, Stage, Step};
use crate::{Error, Result, random};

/// Whether something that is due every `every` steps, and after the last one, is due now.
pub(crate) fn is_due(step: u64, every: u64, last: u64) -> bool {
    step == last || (every > 0 && step.is_multiple_of(every))
}

/// Everything that a step of the loop changes.
pub(crate) struct TrainingState<M> {
    pub(crate) model: M,
    optimizer: Optimizer,
    average: Option<MovingAverage<M>>,
    /// Steps done.
    pub(crate) step: u64,
    /// Steps that were skipped.
    pub(crate) skipped: u64,
    device: Device,
}

impl<M: Module> TrainingState<M> {
    /// Resumes from the last checkpoint, or begins with the given model.
    pub(crate) fn begin_or_resume<S: Stage<Model = M>>(
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
            draw_parameters(&model, &device, config.seed);
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

    /// Begins the next step, and seeds everything random in it.
    pub(crate) fn begin_step(&self, config: &TrainConfig) -> Step {
        let mut random = random::for_step(config.seed, self.step);
        self.device.seed(random.next_u64());
        let done = self.step + 1;
        Step { number: self.step, is_logged: is_due(done, config.log_every, config.steps), random }
    }

    /// Updates the model by one step of the optimiser, and the average.
    pub(crate) fn update<S: Stage<Model = M>>(
        &mut self,
        stage: &S,
        gradients: GradientsParams,
        gradient_norm: f64,
        learning_rate: f64,
        config: &TrainConfig,
    ) {
        let gradients = clip_by_norm(&self.model, gradients, gradient_norm, config.optimizer.clip_norm);
        let factor = |name: &str| stage.rate_factor(name);
        self.model = self.optimizer.step(self.model.clone(), gradients, learning_rate, &factor);
        if let Some(average) = &mut self.average {
            average.update(&self.model);
        }
    }

    /// Counts a skipped step.
    pub(crate) fn skip(&mut self, config: &TrainConfig) -> Result<()> {
        self.skipped += 1;
        if self.skipped > config.skip_limit {
            return Err(Error::NotFinite { count: self.skipped, limit: config.skip_limit, step: self.step });
        }
        tracing::warn!("step {}: the loss or its gradient is no number; the step is skipped", self.step);
        Ok(())
    }

    /// The model in evaluation mode, with averaged weights if there are any.
    pub(crate) fn eval_model(&self) -> M {
        self.average.as_ref().map_or_else(|| self.model.valid(), |average| average.average().clone())
    }

    /// Validates the model and writes the held-out numbers.
    pub(crate) fn validate<S: Stage<Model = M>>(
        &self,
        stage: &mut S,
        metrics: &mut Metrics,
        run: &mut Run<'_>,
    ) -> Result<Scalars> {
        let validation = stage.validate(&self.eval_model())?;
        metrics.write(self.step, VALIDATION, &validation)?;
        (run.progress)(Progress::Validated(self.step, &validation));
        Ok(validation)
    }

    /// Validates a finished run once more, and replaces its held-out numbers if they have changed, as they do when it is
    /// measured in another way.
    pub(crate) fn validate_again<S: Stage<Model = M>>(&self, stage: &mut S, metrics: &mut Metrics) -> Result<Scalars> {
        let validation = stage.validate(&self.eval_model())?;
        metrics.replace_validation(self.step, &validation)?;
        Ok(validation)
    }

    /// Writes a checkpoint.
    pub(crate) fn save<S: Stage<Model = M>>(
        &self,
        stage: &S,
        checkpoints: &Checkpoints,
        run: &mut Run<'_>,
    ) -> Result<PathBuf> {
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
