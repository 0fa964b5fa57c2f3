//! The codebook in training: codes follow the means of their vectors, unused ones are replaced, a collapse raises an alarm.

use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use vipra_nn::codebook::{CodeUsage, CollapseAlarm, follow, reseed};
use vipra_train::Scalars;

use super::config::CodebookConfig;
use crate::{Reconstruction, Vqgan};

/// Tracks the use of the codebook. Part of the training state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodebookTracker {
    /// Counts since the last replacement.
    since_replacement: CodeUsage,
    /// Counts since the last line of metrics.
    since_line: CodeUsage,
    /// Codes replaced since the last line of metrics.
    replaced: usize,
    /// Raised after several lines of metrics with few codes in use.
    #[serde(rename = "low_lines")]
    alarm: CollapseAlarm,
}

/// Vectors and tokens of the forward passes of a step.
#[derive(Debug, Default)]
pub(super) struct Coded {
    /// `[vectors, code_dim]` of each pass.
    vectors: Vec<Tensor<2>>,
    /// `[vectors]`, of all passes.
    tokens: Vec<i64>,
}

impl Coded {
    /// Adds those of a pass.
    pub(super) fn add(&mut self, rebuilt: &Reconstruction) {
        self.vectors.push(rebuilt.vectors.clone().without_autodiff());
        if let Some(quantized) = &rebuilt.quantized {
            self.tokens.extend(quantized.tokens.clone().into_data().iter::<i64>());
        }
    }

    /// Whether there was no pass.
    pub(super) fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }
}

impl CodebookTracker {
    /// A tracker with all counts at 0.
    pub(super) fn new(codes: usize) -> Self {
        let usage = CodeUsage::new(codes);
        let alarm = CollapseAlarm::default();
        Self { since_replacement: usage.clone(), since_line: usage, replaced: 0, alarm }
    }

    /// Counts the tokens of a step, and returns the model with its codebook updated from them.
    pub(super) fn update(
        &mut self,
        model: Vqgan,
        coded: Coded,
        replaces: bool,
        config: &CodebookConfig,
        random: &mut ChaCha8Rng,
    ) -> Vqgan {
        if coded.is_empty() {
            return model;
        }
        self.since_replacement.add(&coded.tokens);
        self.since_line.add(&coded.tokens);
        let vectors = Tensor::cat(coded.vectors, 0);
        let numbers: Vec<f32> = vectors.clone().into_data().iter::<f32>().collect();
        let mut model = model.map_codebook(|codebook| follow(codebook, &numbers, &coded.tokens, config.memory));
        if replaces {
            let even = 1.0 / model.config.codes as f32;
            let unused = self.since_replacement.unused(config.unused_below * even);
            self.replaced += unused.iter().filter(|unused| **unused).count();
            self.since_replacement.reset();
            model = model.map_codebook(|codebook| reseed(codebook, &unused, vectors, random));
        }
        model
    }

    /// Numbers since the last line of metrics, none if nothing was counted; warns if the codebook has collapsed.
    pub(super) fn observe(&mut self, config: &CodebookConfig) -> Scalars {
        if self.since_line.distinct() == 0 {
            return Scalars::new();
        }
        let mut scalars = usage_scalars(&self.since_line);
        let (used, codes) = (self.since_line.distinct(), self.since_line.counts().len());
        let is_low = (used as f64) < config.alarm_share * codes as f64;
        if self.alarm.update(is_low) {
            let lines = CollapseAlarm::THRESHOLD;
            tracing::warn!(
                "the codebook has collapsed: {used} of {codes} codes in use for {lines} lines of metrics. Try a \
                 lower learning rate, tokenizer.codebook.replace_every, or a smaller tokenizer.loss.commitment_weight"
            );
        }
        self.since_line.reset();
        scalars.push(("replaced_codes".to_owned(), std::mem::take(&mut self.replaced) as f64));
        scalars
    }

    /// Whether the alarm is on.
    pub(super) fn has_collapsed(&self) -> bool {
        self.alarm.is_on()
    }
}

/// Share of the codes that are in use, and their perplexity.
pub(super) fn usage_scalars(usage: &CodeUsage) -> Scalars {
    let share = usage.distinct() as f64 / usage.counts().len().max(1) as f64;
    vec![("codes_in_use".to_owned(), share), ("perplexity".to_owned(), usage.perplexity())]
}
