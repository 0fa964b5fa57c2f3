//! Pretraining as a stage of the training loop.

use vipra_data::clip::ClipAddress;
use vipra_tokenizer::TrainedTokenizer;
use vipra_train::{Losses, Scalars, Stage, StageError, Step};

use super::baselines::Baselines;
use super::config::PretrainConfig;
use super::data::Samples;
use super::evaluation::Evaluation;
use crate::frames::{self, FrameTokens};
use crate::layout::{Arrangement, Batch, Sample, TokenKind};
use crate::loss::cross_entropies;
use crate::model::{Tokens, Transformer};
use crate::sample_stream::{Position, SampleStream};
use crate::{Error, Result};

/// Trains a [`Transformer`] on samples of tokens.
pub(super) struct PretrainStage {
    config: PretrainConfig,
    samples: Samples,
    tokenizer: TrainedTokenizer,
    /// Under augmentations.
    frames: FrameTokens,
    stream: SampleStream,
    held_out: Option<HeldOut>,
    padding: Padding,
}

/// Held-out samples and what the model is compared with.
pub(super) struct HeldOut {
    pub(super) samples: Samples,
    pub(super) addresses: Vec<ClipAddress>,
    pub(super) baselines: Baselines,
}

/// Positions since the last line of metrics.
#[derive(Default)]
struct Padding {
    padding: usize,
    positions: usize,
}

impl PretrainStage {
    /// A stage at the beginning of its data.
    ///
    /// # Errors
    /// None in practice: every epoch has samples.
    pub(super) fn new(
        config: PretrainConfig,
        samples: Samples,
        (tokenizer, frames): (TrainedTokenizer, FrameTokens),
        held_out: Option<HeldOut>,
    ) -> Result<Self> {
        let stream = SampleStream::at(Position::default(), samples.sampler())?;
        Ok(Self { config, samples, tokenizer, frames, stream, held_out, padding: Padding::default() })
    }

    fn next_sample(&mut self) -> Result<Sample> {
        let address = self.stream.peek(self.samples.sampler())?;
        match frames::view_index(address, self.stream.position().epoch, self.config.views) {
            0 => self.samples.sample(address),
            nth => self.samples.augmented_sample(address, nth, &self.tokenizer, &mut self.frames),
        }
    }

    /// A row of samples: one, or as many as fit.
    fn next_row(&mut self) -> Result<Vec<Sample>> {
        let mut row = vec![self.next_sample()?];
        self.stream.take();
        if self.config.sequence.arrangement == Arrangement::Packed {
            let mut free = self.config.sequence.length - (row[0].len() - 1);
            loop {
                let sample = self.next_sample()?;
                let Some(rest) = free.checked_sub(sample.len() - 1) else { break };
                free = rest;
                row.push(sample);
                self.stream.take();
            }
        }
        Ok(row)
    }
}

impl Stage for PretrainStage {
    type Model = Transformer;
    type Batch = Batch;

    fn next_batch(&mut self) -> Result<Batch, StageError> {
        let rows = (0..self.config.train.batch_size).map(|_| self.next_row()).collect::<Result<Vec<_>>>()?;
        let batch = Batch::new(&rows, self.samples.layout().ids.begin);
        self.padding.padding += batch.padding;
        self.padding.positions += batch.ids.len();
        Ok(batch)
    }

    fn loss(&mut self, model: &Transformer, batch: Batch, _step: &mut Step) -> Result<Losses, StageError> {
        let tokens = Tokens::of(&batch);
        let hidden = model.forward(tokens, batch.first_seen.clone())?;
        let terms = cross_entropies(&batch, &hidden, |kind, rows| model.logits(kind, rows))?;
        let weights = &self.config.loss;
        let mut total = None;
        let mut parts = Vec::new();
        for (kind, term) in terms {
            let name = match kind {
                TokenKind::Text => "text",
                TokenKind::LatentState => "latent_state",
                TokenKind::LatentAction => "latent_action",
                TokenKind::Vision | TokenKind::Proprio | TokenKind::Action => continue,
            };
            let weighted = term.clone() * weights.of(kind);
            total = Some(match total {
                None => weighted,
                Some(total) => total + weighted,
            });
            parts.push((name, term.detach()));
        }
        let total = total.ok_or_else(|| Error::Invalid("the batch has nothing to predict".to_owned()))?;
        Ok(Losses { total, parts })
    }

    fn observe(&mut self) -> Scalars {
        let Padding { padding, positions } = std::mem::take(&mut self.padding);
        vec![("padding".to_owned(), padding as f64 / positions.max(1) as f64)]
    }

    fn validate(&mut self, model: &Transformer) -> Result<Scalars, StageError> {
        let Some(held_out) = &self.held_out else { return Ok(Scalars::new()) };
        let mut evaluation = Evaluation::new(&held_out.baselines, self.samples.layout().ids);
        for addresses in held_out.addresses.chunks(self.config.train.batch_size) {
            let rows = addresses.iter().map(|address| Ok(vec![held_out.samples.sample(*address)?]));
            let rows = rows.collect::<Result<Vec<_>>>()?;
            let current = addresses.iter().map(|address| Ok(held_out.samples.moment(*address)?.seen[1]));
            let current = current.collect::<Result<Vec<_>>>()?;
            evaluation.add(model, &Batch::new(&rows, self.samples.layout().ids.begin), &current)?;
        }
        Ok(evaluation.scalars())
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!(self.stream.position())
    }

    fn restore(&mut self, state: serde_json::Value) -> Result<(), StageError> {
        self.stream = SampleStream::at(serde_json::from_value(state)?, self.samples.sampler())?;
        Ok(())
    }
}
