//! Care of the codebook while it learns: counts, replacement, alarm.

use burn::tensor::{Distribution, Int, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use vipra_train::Scalars;

use super::config::CodebookConfig;
use crate::quantizer::{CodeUsage, Nsvq, Replacement, ReplacementSource, reseed_unused};

/// Lines of metrics in a row with a low perplexity after which the alarm is raised.
const ALARM_AFTER: u32 = 3;

/// What is known of the codebook's use. Part of the training state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodebookCare {
    /// Counts since the last replacement.
    since_replacement: CodeUsage,
    /// Counts since the last line of metrics.
    since_line: CodeUsage,
    /// Codes replaced since the last line of metrics.
    replaced: usize,
    /// Lines of metrics in a row with a low perplexity.
    low_lines: u32,
}

impl CodebookCare {
    /// Nothing counted yet.
    pub fn new(codes: usize) -> Self {
        let usage = CodeUsage::new(codes);
        Self { since_replacement: usage.clone(), since_line: usage, replaced: 0, low_lines: 0 }
    }

    /// Counts the codes of a batch.
    pub fn count<const D: usize>(&mut self, codes: Tensor<D, Int>) {
        let codes: Vec<i64> = codes.into_data().iter::<i64>().collect();
        self.since_replacement.add(&codes);
        self.since_line.add(&codes);
    }

    /// The quantiser with unused codes replaced, where that is due after `steps` steps.
    ///
    /// # Shapes
    /// `vectors`: what the encoder put out last, `[vectors, dim]`.
    pub fn replace(
        &mut self,
        quantizer: Nsvq,
        vectors: Tensor<2>,
        steps: u64,
        config: &CodebookConfig,
        random: &mut ChaCha8Rng,
    ) -> Nsvq {
        let replacement = &config.replacement;
        if !replacement.is_due(steps) {
            return quantizer;
        }
        let usage = &self.since_replacement;
        let (quantizer, replaced) = match replacement.source {
            ReplacementSource::EncoderOutputs => {
                reseed_unused(quantizer, usage, replacement.threshold, vectors, random)
            }
            ReplacementSource::UsedCodes => {
                let drawn = Replacement::draw(usage, replacement.threshold, random);
                let device = quantizer.codebooks.val().device().without_autodiff();
                let noise = Tensor::random(quantizer.codebooks.dims(), Distribution::Normal(0.0, 1.0), &device);
                (drawn.apply(quantizer, noise), drawn.replaced())
            }
        };
        self.replaced += replaced;
        self.since_replacement.reset();
        quantizer
    }

    /// Numbers since the last line, and a warning where the codebook has collapsed.
    pub fn observe(&mut self, config: &CodebookConfig) -> Scalars {
        let scalars = usage_scalars(&self.since_line);
        let perplexity = self.since_line.perplexity();
        self.low_lines = if perplexity < config.alarm_perplexity { self.low_lines + 1 } else { 0 };
        if self.low_lines == ALARM_AFTER {
            tracing::warn!(
                "the codebook has collapsed: perplexity {perplexity:.2} of {} codes for {ALARM_AFTER} lines of metrics; \
                 the latent actions of this run say next to nothing. Try laq.codebook.initialization = \
                 \"encoder-outputs\", laq.codebook.replacement.source = \"encoder-outputs\", a lower learning rate, or \
                 clips in which more happens (data.clip.interval_secs)",
                self.since_line.counts().len()
            );
        }
        self.since_line.reset();
        let replaced = std::mem::take(&mut self.replaced);
        scalars.into_iter().chain([("replaced_codes".to_owned(), replaced as f64)]).collect()
    }

    /// Whether the alarm is on.
    pub fn has_collapsed(&self) -> bool {
        self.low_lines >= ALARM_AFTER
    }
}

/// Perplexity, number of codes never chosen, and the share of each code.
pub(super) fn usage_scalars(usage: &CodeUsage) -> Scalars {
    let total = usage.counts().iter().sum::<u64>().max(1) as f64;
    let dead = usage.counts().len() - usage.distinct();
    let mut scalars = vec![("perplexity".to_owned(), usage.perplexity()), ("dead_codes".to_owned(), dead as f64)];
    let shares = usage.counts().iter().enumerate();
    scalars.extend(shares.map(|(code, count)| (format!("code_share/{code}"), *count as f64 / total)));
    scalars
}
