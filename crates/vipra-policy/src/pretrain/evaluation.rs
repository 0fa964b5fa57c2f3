//! Held-out numbers by kind of token, beside baselines.

use std::collections::BTreeMap;

use burn::tensor::activation::log_softmax;
use vipra_train::Scalars;

use super::baselines::Baselines;
use crate::Result;
use crate::layout::{Batch, SpecialIds, TokenKind};
use crate::loss::at_targets;
use crate::model::{Tokens, Transformer};

/// A sum with its number of terms.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

/// Sums over held-out samples. Tokens that end a frame or a transition are left out: everybody knows where they stand.
pub(super) struct Evaluation<'a> {
    baselines: &'a Baselines,
    ids: SpecialIds,
    means: BTreeMap<&'static str, Mean>,
}

/// What is known of a predicted token.
struct Predicted {
    target: u32,
    best: u32,
    loss: f64,
}

impl<'a> Evaluation<'a> {
    /// Nothing seen yet.
    pub fn new(baselines: &'a Baselines, ids: SpecialIds) -> Self {
        Self { baselines, ids, means: BTreeMap::new() }
    }

    /// Adds a batch; `current` are the tokens of each sample's current frame, sample by sample.
    ///
    /// # Errors
    /// What the model says about the batch.
    pub fn add(&mut self, model: &Transformer, batch: &Batch, current: &[&[u16]]) -> Result<()> {
        let tokens = Tokens::of(batch);
        let hidden = model.forward(tokens, batch.first_seen.clone())?;
        for (kind, targets) in &batch.targets {
            let logits = model.logits(*kind, at_targets(&hidden, targets))?;
            let classes = logits.dims()[1];
            let log_shares: Vec<f32> = log_softmax(logits, 1).into_data().iter::<f32>().collect();
            let predicted = log_shares.chunks_exact(classes).zip(&targets.ids).map(|(row, target)| {
                let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(id, _)| id as u32);
                Predicted { target: *target, best, loss: -f64::from(row[*target as usize]) }
            });
            match kind {
                TokenKind::LatentState => self.latent_state(predicted, current),
                TokenKind::LatentAction => self.latent_action(predicted),
                TokenKind::Text => self.text(predicted),
                TokenKind::Vision | TokenKind::Proprio | TokenKind::Action => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &'static str, value: f64) {
        self.means.entry(name).or_default().add(value);
    }

    fn latent_state(&mut self, predicted: impl Iterator<Item = Predicted>, current: &[&[u16]]) {
        let per_sample = current.first().map_or(0, |frame| frame.len()) + 1;
        for (index, token) in predicted.enumerate() {
            let (sample, position) = (index / per_sample, index % per_sample);
            if token.target == self.ids.end_of_vision {
                continue;
            }
            let before = u32::from(current[sample][position]);
            let frequent = self.baselines.frequent_token(position);
            let is = |id: u32| f64::from(u8::from(id == token.target));
            self.note("latent_state_loss", token.loss);
            self.note("latent_state_accuracy", is(token.best));
            self.note("latent_state_copy_accuracy", is(before));
            self.note("latent_state_frequent_accuracy", is(frequent));
            let loss_by_frequency = self.baselines.token_loss(position, token.target);
            self.note("latent_state_frequent_loss", loss_by_frequency);
            self.note("latent_state_changed_share", 1.0 - is(before));
            if before != token.target {
                self.note("latent_state_changed_accuracy", is(token.best));
                self.note("latent_state_changed_frequent_accuracy", is(frequent));
            }
        }
    }

    fn latent_action(&mut self, predicted: impl Iterator<Item = Predicted>) {
        let end = self.ids.end_of_latent_action;
        let codes = predicted.filter(|token| token.target != end);
        for (position, token) in codes.enumerate() {
            self.note("latent_action_loss", token.loss);
            self.note("latent_action_accuracy", f64::from(u8::from(token.best == token.target)));
            let frequent = self.baselines.frequent_code(position);
            self.note("latent_action_frequent_accuracy", f64::from(u8::from(frequent == token.target)));
            let unigram = self.baselines.code_loss(token.target);
            self.note("latent_action_unigram_loss", unigram);
            self.note("latent_action_position_loss", self.baselines.code_loss_at(position, token.target));
        }
    }

    fn text(&mut self, predicted: impl Iterator<Item = Predicted>) {
        for token in predicted {
            self.note("text_loss", token.loss);
            self.note("text_accuracy", f64::from(u8::from(token.best == token.target)));
        }
    }

    /// The means, and by how much the latent actions beat their frequencies.
    pub fn scalars(&self) -> Scalars {
        let mut scalars: Scalars = self.means.iter().map(|(name, mean)| ((*name).to_owned(), mean.value())).collect();
        let of = |name: &str| self.means.get(name).map(|mean| mean.value());
        if let (Some(loss), Some(unigram)) = (of("latent_action_loss"), of("latent_action_unigram_loss")) {
            scalars.push(("latent_action_loss_ratio".to_owned(), loss / unigram));
        }
        scalars
    }
}
