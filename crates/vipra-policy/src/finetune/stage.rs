//! Finetuning as a stage of the training loop.

use std::sync::Arc;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use vipra_nn::ops::Branches;
use vipra_tokenizer::TrainedTokenizer;
use vipra_train::{Losses, Scalars, Stage, StageError, Step};

use super::config::FinetuneConfig;
use super::data::Demonstrations;
use super::evaluation::{ChunkEvaluator, HeldOut};
use crate::flow_matching::flow_loss;
use crate::frames::{self, FrameAugmentation};
use crate::layout::{Batch, Sample, SampleLayout, TokenKind};
use crate::loss::cross_entropies;
use crate::model::{ActionDecoder, ContinuousInputs, PolicyModel, Tokens};
use crate::policy::{ChunkDecoder, Specification};
use crate::sample_stream::{Position, SampleStream};
use crate::{Error, Result};

/// Trains a [`PolicyModel`] on demonstrations.
pub(super) struct FinetuneStage {
    pub(super) config: FinetuneConfig,
    pub(super) specification: Specification,
    pub(super) layout: SampleLayout,
    pub(super) tokenizer: Arc<TrainedTokenizer>,
    pub(super) learned: Demonstrations,
    pub(super) stream: SampleStream,
    pub(super) held_out: Option<HeldOut>,
    /// Whether the transformer was pretrained.
    pub(super) is_pretrained: bool,
    pub(super) device: Device,
}

/// Samples as tokens and numbers.
pub(super) struct FinetuneBatch {
    tokens: Batch,
    /// `[rows, horizon, action_dim]`, normalised.
    actions: Vec<f32>,
    /// `[rows, horizon]`: 1 for actions that count in the loss, 0 for others.
    counts: Vec<f32>,
    /// `[rows, states, state_dim]`, normalised.
    proprio: Option<Tensor<3>>,
}

impl FinetuneStage {
    /// The kinds of tokens that are learned by cross-entropy.
    fn learned_kinds(&self) -> Vec<TokenKind> {
        let is_binned = self.config.decoder == ActionDecoder::Autoregressive;
        let kinds = self.config.fields.predicted();
        kinds.filter(|kind| *kind == TokenKind::LatentState || (*kind == TokenKind::Action && is_binned)).collect()
    }

    /// Loss of the velocities at the actions of a batch, `[1]`, and the hidden states, `[rows, length, dim]`.
    fn flow_term(&self, model: &PolicyModel, batch: &FinetuneBatch, step: &mut Step) -> Result<(Tensor<1>, Tensor<3>)> {
        let (rows, horizon, noises) = (batch.tokens.rows, self.config.horizon, self.config.flow.noises);
        let shape = [rows * noises, horizon, self.specification.sizes.action];
        let device = self.device.clone().without_autodiff();
        // Row by row, each chunk as often as there are noises.
        let repeated = |values: &[f32]| -> Vec<f32> {
            values.chunks(values.len() / rows.max(1)).flat_map(|chunk| chunk.repeat(noises)).collect()
        };
        let actions = Tensor::from_data(TensorData::new(repeated(&batch.actions), shape), &device);
        let noise = Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let times = self.config.flow.sample_times(rows, &mut step.random);
        let (points, target) = self.config.flow.interpolate(noise, actions, &times);
        let tokens = Tokens::of(&batch.tokens);
        let numbers = ContinuousInputs { proprio: batch.proprio.clone(), actions: Some((points, &times)) };
        let first = batch.tokens.length - noises * horizon;
        let branches = Branches { first, length: horizon };
        let embedded = model.embed(tokens, &numbers)?;
        let masking = self.config.hidden.without_actions();
        let embedded = masking.mask_embeddings(embedded, &batch.tokens, &mut step.random);
        let hidden = model.transformer.forward_branches(embedded, batch.tokens.first_seen.clone(), branches);
        let at_actions = hidden.clone().narrow(1, first, noises * horizon);
        let dim = hidden.dims()[2];
        let velocity = model.flow()?.velocity(at_actions.reshape([rows * noises, horizon, dim]));
        Ok((flow_loss(velocity, target, &repeated(&batch.counts)), hidden))
    }

    /// Hidden states of a batch without noisy actions, `[rows, length, dim]`.
    fn read(
        &self,
        model: &PolicyModel,
        batch: &Batch,
        numbers: &ContinuousInputs<'_>,
        step: &mut Step,
    ) -> Result<Tensor<3>> {
        let tokens = Tokens::of(batch);
        let embedded = self.config.hidden.mask_embeddings(model.embed(tokens, numbers)?, batch, &mut step.random);
        Ok(model.transformer.forward_embedded(embedded, None))
    }
}

impl Stage for FinetuneStage {
    type Model = PolicyModel;
    type Batch = FinetuneBatch;

    fn next_batch(&mut self) -> Result<FinetuneBatch, StageError> {
        let mut samples = Vec::with_capacity(self.config.train.batch_size);
        for _ in 0..self.config.train.batch_size {
            let address = self.stream.peek(self.learned.sampler())?;
            let view = frames::view_index(address, self.stream.position().epoch, self.config.augmentations);
            samples.push(self.learned.sample(&self.tokenizer, address, FrameAugmentation::Augmented(view))?);
            self.stream.take();
        }
        let padding = self.layout.ids.begin;
        let mut tokens = match self.config.decoder {
            ActionDecoder::FlowMatching => {
                let prompts: Vec<Sample> = samples.iter().map(|one| self.layout.up_to_actions(&one.sample)).collect();
                Batch::branching(&prompts, padding, TokenKind::Action, self.config.flow.noises, self.config.horizon)
            }
            ActionDecoder::Autoregressive => {
                let rows: Vec<Vec<Sample>> = samples.iter().map(|one| vec![one.sample.clone()]).collect();
                Batch::new(&rows, padding)
            }
        };
        let kinds = self.learned_kinds();
        tokens.targets.retain(|kind, _| kinds.contains(kind));
        Ok(FinetuneBatch {
            tokens,
            actions: self.learned.normalized_chunks(&samples),
            counts: self.learned.counts(&samples),
            proprio: self.learned.proprio(&samples, &self.device),
        })
    }

    /// Flow or cross-entropy of the actions, and cross-entropy of the latent state where it is predicted (reference 6.5).
    fn loss(&mut self, model: &PolicyModel, batch: FinetuneBatch, step: &mut Step) -> Result<Losses, StageError> {
        let mut parts = Vec::new();
        let hidden = match self.config.decoder {
            ActionDecoder::FlowMatching => {
                let (term, hidden) = self.flow_term(model, &batch, step)?;
                parts.push(("flow", term));
                hidden
            }
            ActionDecoder::Autoregressive => {
                let numbers = ContinuousInputs { proprio: batch.proprio.clone(), actions: None };
                self.read(model, &batch.tokens, &numbers, step)?
            }
        };
        if !batch.tokens.targets.is_empty() {
            let terms = cross_entropies(&batch.tokens, &hidden, |kind, rows| model.logits(kind, rows))?;
            parts.extend(terms.into_iter().map(|(kind, term)| (kind.name(), term)));
        }
        let total = parts.iter().map(|(_, term)| term.clone()).reduce(|sum, term| sum + term);
        let total = total.ok_or_else(|| Error::Invalid("the batch has nothing to predict".to_owned()))?;
        Ok(Losses { total, parts: parts.into_iter().map(|(name, term)| (name, term.detach())).collect() })
    }

    fn validate(&mut self, model: &PolicyModel) -> Result<Scalars, StageError> {
        let Some(held_out) = &mut self.held_out else { return Ok(Scalars::new()) };
        let evaluator = ChunkEvaluator {
            // One crop alone, so that validations stay short.
            decoder: ChunkDecoder { model, specification: &self.specification, layout: &self.layout, crops: 1 },
            tokenizer: &self.tokenizer,
            rows: self.config.train.batch_size,
            measured: self.config.measured_actions,
            mean: &held_out.mean,
        };
        let mut scalars = evaluator.measure(&mut held_out.demonstrations, &held_out.addresses)?.scalars();
        let learned = evaluator.measure(&mut self.learned, &held_out.learned)?.scalars();
        // An error far below the held-out one means that the demonstrations are known by heart.
        scalars.extend(learned.into_iter().take(1).map(|(name, value)| (format!("learned_{name}"), value)));
        Ok(scalars)
    }

    fn rate_factor(&self, parameter: &str) -> f64 {
        if self.is_pretrained && parameter.starts_with("transformer.") { self.config.pretrained_rate } else { 1.0 }
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!(self.stream.position())
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), StageError> {
        let position: Position = serde_json::from_value(state)?;
        self.stream = SampleStream::at(position, self.learned.sampler())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
