//! Latent actions as a stage of the training loop.

use std::sync::Arc;

use burn::tensor::{Device, Distribution, Tensor};
use serde::{Deserialize, Serialize};
use vipra_data::clip::{Clip, ClipDataset, ClipLoader, LoaderState};
use vipra_train::{Losses, Scalars, Stage, StageError, Step};

use super::batch::{Batch, batch_of};
use super::codebook::{CodebookCare, follow_outputs};
use super::config::{CodebookLearning, LaqStageConfig};
use super::evaluation::Evaluation;
use super::losses::LossSet;
use crate::loss::transition_mask;
use crate::quantizer::seed;
use crate::{Laq, Result};

/// Prefix of the names of the spatial encoder's parameters.
const SPATIAL_ENCODER: &str = "spatial_encoder.";

/// Name of the codebook.
const CODEBOOK: &str = "quantizer.codebooks";

/// Trains a [`Laq`] on clips.
pub struct LaqStage {
    config: LaqStageConfig,
    dataset: Arc<ClipDataset>,
    loader: ClipLoader,
    held_out: Vec<Clip>,
    losses: LossSet,
    care: CodebookCare,
    /// What the encoder put out last, `[vectors, code_dim]`.
    vectors: Option<Tensor<2>>,
    device: Device,
}

/// What a checkpoint holds of the stage.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    loader: LoaderState,
    codebook: CodebookCare,
}

impl LaqStage {
    /// A stage at the beginning of its data. `held_out` may be empty; validation then has nothing to say.
    ///
    /// # Errors
    /// If the loader cannot be started.
    pub fn new(
        config: LaqStageConfig,
        dataset: Arc<ClipDataset>,
        held_out: Vec<Clip>,
        losses: LossSet,
        device: Device,
    ) -> Result<Self> {
        let loader = ClipLoader::start(dataset.clone(), LoaderState::default())?;
        let care = CodebookCare::new(config.model.quantizer.codes, config.model.code_length);
        Ok(Self { config, dataset, loader, held_out, losses, care, vectors: None, device })
    }

    /// Episodes of which clips were left out, and the codebook as it is.
    pub fn loader(&self) -> &ClipLoader {
        &self.loader
    }

    /// How the codebook does.
    pub fn codebook(&self) -> &CodebookCare {
        &self.care
    }
}

impl Stage for LaqStage {
    type Model = Laq;
    type Batch = Batch;

    fn next_batch(&mut self) -> Result<Batch, StageError> {
        let count = self.config.train.batch_size;
        let clips = (0..count).map(|_| self.loader.next_clip()).collect::<Result<Vec<_>, _>>()?;
        let batch = batch_of(&clips, &self.device);
        clips.into_iter().for_each(|clip| self.loader.recycle(clip));
        Ok(batch)
    }

    fn loss(&mut self, model: &Laq, batch: Batch, step: &mut Step) -> Result<Losses, StageError> {
        let [clips, time, ..] = batch.clips.dims();
        let vectors = clips * (time - 1) * self.config.model.code_length;
        let shape = [vectors, self.config.model.quantizer.dim];
        let noise = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &self.device);
        let share = self.config.codebook.noise_share(step.number);
        let rebuilt = model.reconstruct_with_share(batch.clips.clone(), noise, share)?;
        self.care.count(rebuilt.codes);
        self.vectors = Some(rebuilt.vectors.detach());
        let targets = batch.clips.narrow(1, 1, time - 1);
        Ok(self.losses.losses(step.number, rebuilt.frames, targets, transition_mask(batch.mask))?)
    }

    fn after_step(&mut self, mut model: Laq, step: &mut Step) -> Result<Laq, StageError> {
        let Some(vectors) = self.vectors.take() else { return Ok(model) };
        let steps = step.number + 1;
        let config = &self.config.codebook;
        model = model.move_standard(vectors.clone(), config.standard_rate);
        if steps == config.first_step {
            model.quantizer = seed(model.quantizer, vectors.clone(), &mut step.random);
        }
        if config.learning == CodebookLearning::Averages {
            model.quantizer = follow_outputs(model.quantizer, &vectors, config.memory);
        }
        model.quantizer = self.care.replace(model.quantizer, vectors, steps, config, &mut step.random);
        Ok(model)
    }

    fn observe(&mut self) -> Scalars {
        self.care.observe(&self.config.codebook)
    }

    fn validate(&mut self, model: &Laq) -> Result<Scalars, StageError> {
        let mut evaluation = Evaluation::new(self.config.model.quantizer.codes, self.config.model.code_length);
        let device = self.device.clone().without_autodiff();
        for clips in self.held_out.chunks(self.config.train.batch_size) {
            evaluation.add(model, &batch_of(clips, &device))?;
        }
        Ok(evaluation.scalars())
    }

    fn rate_factor(&self, parameter: &str) -> f64 {
        if parameter == CODEBOOK {
            return match self.config.codebook.learning {
                CodebookLearning::Gradients => self.config.codebook.rate,
                CodebookLearning::Averages => 0.0,
            };
        }
        let is_pretrained = self.config.spatial_encoder_weights.is_some() && parameter.starts_with(SPATIAL_ENCODER);
        if is_pretrained { self.config.spatial_encoder_rate } else { 1.0 }
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!(State { loader: self.loader.state(), codebook: self.care.clone() })
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), StageError> {
        let State { loader, codebook } = serde_json::from_value(state)?;
        self.loader = ClipLoader::start(self.dataset.clone(), loader)?;
        self.care = codebook;
        Ok(())
    }
}
