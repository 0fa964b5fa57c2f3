//! The frame tokenizer as a stage of the training loop.

use std::cmp::Ordering;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vipra_data::clip::{Clip, ClipDataset, ClipLoader};
use vipra_train::perceptual::Pictures;
use vipra_train::{Losses, Scalars, Stage, StageError, Step};

use super::codebook::{CodebookCare, Coded};
use super::config::TokenizerStageConfig;
use super::evaluation::Evaluation;
use super::frames::{FrameStream, batch_of};
use super::losses::LossSet;
use super::patchwork::Patchwork;
use super::seeding::seed_codebook;
use crate::{Result, Vqgan};

/// Trains a [`Vqgan`] on frames.
pub struct TokenizerStage {
    config: TokenizerStageConfig,
    frames: FrameStream,
    held_out: Vec<Clip>,
    losses: LossSet,
    care: CodebookCare,
    /// What this step's passes have coded.
    coded: Coded,
    device: Device,
}

/// What a checkpoint holds of the stage.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    loader: Value,
    codebook: CodebookCare,
}

impl TokenizerStage {
    /// A stage at the beginning of its data. `held_out` may be empty; validation then has nothing to say.
    ///
    /// # Errors
    /// If the loader cannot be started.
    pub fn new(
        config: TokenizerStageConfig,
        dataset: &Arc<ClipDataset>,
        held_out: Vec<Clip>,
        losses: LossSet,
        device: Device,
    ) -> Result<Self> {
        let frames = FrameStream::start(dataset, &device)?;
        let care = CodebookCare::new(config.model.codes);
        Ok(Self { config, frames, held_out, losses, care, coded: Coded::default(), device })
    }

    /// Episodes of which frames were left out.
    pub fn loader(&self) -> &ClipLoader {
        &self.frames.loader
    }

    /// Whether half of the frames of a batch are put together of the other half.
    fn puts_together(&self) -> bool {
        self.config.loss.locality_weight > 0.0
    }

    /// How the codebook does.
    pub fn codebook(&self) -> &CodebookCare {
        &self.care
    }
}

impl Stage for TokenizerStage {
    type Model = Vqgan;
    type Batch = Tensor<4>;

    fn next_batch(&mut self) -> Result<Tensor<4>, StageError> {
        let frames = self.config.train.batch_size;
        self.frames.next(if self.puts_together() { frames / 2 } else { frames })
    }

    fn loss(&mut self, model: &Vqgan, batch: Tensor<4>, step: &mut Step) -> Result<Losses, StageError> {
        let patchwork = self.puts_together().then(|| {
            let grid = self.config.model.grid();
            Patchwork::draw(batch.dims()[0], grid, &mut step.random)
        });
        let batch = match &patchwork {
            Some(patchwork) => patchwork.extend(batch),
            None => batch,
        };
        let rebuilt = if step.number < self.config.codebook.first_step {
            model.reconstruct_uncoded(batch.clone())
        } else {
            model.reconstruct(batch.clone())
        };
        self.care.count(&mut self.coded, &rebuilt);
        Ok(self.losses.losses(rebuilt, batch, patchwork.as_ref())?)
    }

    fn after_step(&mut self, model: Vqgan, step: &mut Step) -> Result<Vqgan, StageError> {
        let coded = std::mem::take(&mut self.coded);
        let config = &self.config.codebook;
        match (step.number + 1).cmp(&config.first_step) {
            Ordering::Less => return Ok(model),
            Ordering::Equal => return Ok(seed_codebook(model, &self.config, self.frames.dataset(), &self.device)?),
            Ordering::Greater => {}
        }
        let replaces = config.is_due(step.number + 1, self.config.train.steps);
        Ok(self.care.learn(model, coded, replaces, config, &mut step.random))
    }

    fn observe(&mut self) -> Scalars {
        self.care.observe(&self.config.codebook)
    }

    fn validate(&mut self, model: &Vqgan) -> Result<Scalars, StageError> {
        if self.held_out.is_empty() {
            return Ok(Scalars::new());
        }
        let mut evaluation = Evaluation::new(self.config.model.codes);
        let device = self.device.clone().without_autodiff();
        for clips in self.held_out.chunks(self.config.train.batch_size) {
            evaluation.add(model, batch_of(clips, &device))?;
        }
        Ok(evaluation.scalars())
    }

    fn state(&self) -> Value {
        serde_json::json!(State { loader: self.frames.state(), codebook: self.care.clone() })
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        let State { loader, codebook } = serde_json::from_value(state)?;
        self.frames.restore(loader)?;
        self.care = codebook;
        Ok(())
    }
}
