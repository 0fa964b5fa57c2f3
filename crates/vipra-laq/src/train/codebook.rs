//! The codebook in training: counts of its use, replacement of unused codes, an alarm when it collapses.

use burn::tensor::{Distribution, Int, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use vipra_nn::codebook::{CollapseAlarm, follow};
use vipra_train::Scalars;

use super::config::CodebookConfig;
use crate::quantizer::{
    CodeUsage, Nsvq, Replacement, ReplacementSource, count_positions, overall, position_perplexity, reseed_unused,
};

/// Perplexity over all positions below which the codebook has collapsed, whatever it is at each position. For small codebooks
/// it is a quarter of their codes.
const MIN_CODES: f64 = 2.0;

/// Tracks the use of the codebook. Part of the training state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CodebookTracker {
    /// Counts since the last replacement.
    since_replacement: CodeUsage,
    /// Counts since the last line of metrics, at each position of a transition.
    since_line: Vec<CodeUsage>,
    /// Codes replaced since the last line of metrics.
    replaced: usize,
    /// Raised after several lines of metrics with a low perplexity.
    #[serde(rename = "low_lines")]
    alarm: CollapseAlarm,
}

impl CodebookTracker {
    /// A tracker with all counts at 0.
    pub(super) fn new(codes: usize, code_length: usize) -> Self {
        let usage = CodeUsage::new(codes);
        Self {
            since_line: vec![usage.clone(); code_length],
            since_replacement: usage,
            replaced: 0,
            alarm: CollapseAlarm::default(),
        }
    }

    /// Counts the codes of a batch.
    pub(super) fn count<const D: usize>(&mut self, codes: Tensor<D, Int>) {
        let codes: Vec<i64> = codes.into_data().iter::<i64>().collect();
        self.since_replacement.add(&codes);
        count_positions(&mut self.since_line, &codes);
    }

    /// The quantiser with unused codes replaced, if that is due after `steps` steps.
    ///
    /// # Shapes
    /// `vectors`: the encoder's outputs in this step, `[vectors, dim]`.
    pub(super) fn replace(
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

    /// Resets all counts, because the codes were replaced by new ones.
    pub(super) fn forget_codes(&mut self) {
        self.since_replacement.reset();
        self.since_line.iter_mut().for_each(CodeUsage::reset);
        self.alarm.reset();
    }

    /// Numbers since the last line of metrics, without those of use if nothing was counted; warns if the codebook has
    /// collapsed. Codes counted before quantisation starts never raise the alarm.
    pub(super) fn observe(&mut self, config: &CodebookConfig, is_quantized: bool) -> Scalars {
        let mut scalars = Scalars::new();
        if overall(&self.since_line).distinct() > 0 {
            scalars = usage_scalars(&self.since_line);
            self.update_alarm(config, is_quantized);
            self.since_line.iter_mut().for_each(CodeUsage::reset);
        }
        scalars.push(("replaced_codes".to_owned(), std::mem::take(&mut self.replaced) as f64));
        scalars
    }

    fn update_alarm(&mut self, config: &CodebookConfig, is_quantized: bool) {
        let (all, at_position) = (overall(&self.since_line).perplexity(), position_perplexity(&self.since_line));
        let fewest = MIN_CODES.min(self.since_replacement.counts().len() as f64 / 4.0);
        let is_low =
            is_quantized && config.alarm_perplexity > 1.0 && (at_position < config.alarm_perplexity || all < fewest);
        if self.alarm.update(is_low) {
            let lines = CollapseAlarm::THRESHOLD;
            tracing::warn!(
                "the codebook has collapsed: at a position of a transition {at_position:.2} codes are effectively in use, and \
                 {all:.2} over all positions, for {lines} lines of metrics; the latent actions of this run say next to \
                 nothing. Try laq.codebook.first_step, laq.model.centered_transitions, \
                 laq.codebook.learning = \"averages\", a lower learning rate, or clips in which more happens (data.clip.interval_secs)"
            );
        }
    }

    /// Whether the alarm is on.
    pub(super) fn has_collapsed(&self) -> bool {
        self.alarm.is_on()
    }
}

/// The quantiser with each code moved towards the mean of the vectors assigned to it.
pub(super) fn update_code_means(quantizer: Nsvq, vectors: &Tensor<2>, memory: f64) -> Nsvq {
    let numbers: Vec<f32> = vectors.to_data().iter::<f32>().collect();
    let codes = quantizer.nearest(vectors.clone());
    let codes: Vec<i64> = codes.into_data().iter::<i64>().collect();
    quantizer.map_codebook(|codebook| follow(codebook, &numbers, &codes, memory))
}

/// Perplexity over all positions and the mean of that at each, the number of codes never chosen, the share of each code.
pub(super) fn usage_scalars(positions: &[CodeUsage]) -> Scalars {
    let all = overall(positions);
    let codes = all.counts().len();
    let total = all.counts().iter().sum::<u64>().max(1) as f64;
    let mut scalars = vec![
        ("perplexity".to_owned(), all.perplexity()),
        ("position_perplexity".to_owned(), position_perplexity(positions)),
        ("dead_codes".to_owned(), (codes - all.distinct()) as f64),
    ];
    let shares = all.counts().iter().enumerate();
    scalars.extend(shares.map(|(code, count)| (format!("code_share/{code}"), *count as f64 / total)));
    scalars
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor};

    use super::{CodebookTracker, CollapseAlarm};
    use crate::train::CodebookConfig;

    /// Number of lines of metrics until the alarm, if two positions of a transition choose these codes out of `codes`.
    fn lines_until_alarm(codes: usize, chosen: &[i64], config: &CodebookConfig) -> Option<u32> {
        let mut tracker = CodebookTracker::new(codes, 2);
        (1..10).find(|_| {
            tracker.count(Tensor::<1, Int>::from_data(chosen, &Device::flex()));
            tracker.observe(config, true);
            tracker.has_collapsed()
        })
    }

    #[test]
    fn a_codebook_that_says_nothing_raises_the_alarm() {
        let config = CodebookConfig::default();
        let after = |codes, chosen: &[i64]| lines_until_alarm(codes, chosen, &config);
        assert_eq!(after(8, &[3, 3, 3, 3]), Some(CollapseAlarm::THRESHOLD), "one code");
        assert_eq!(after(8, &[1, 5, 1, 5]), Some(CollapseAlarm::THRESHOLD), "each position has a code of its own");
        assert_eq!(
            after(8, &[1, 1, 1, 1, 1, 2, 2, 1]),
            Some(CollapseAlarm::THRESHOLD),
            "fewer than two codes of eight"
        );
        assert_eq!(after(8, &[0, 4, 1, 5, 2, 6, 3, 7]), None);
        assert_eq!(after(2, &[0, 0, 0, 1, 1, 0, 0, 0]), None, "of two codes, both are in use");
        let off = CodebookConfig { alarm_perplexity: 1.0, ..config };
        assert_eq!(lines_until_alarm(8, &[3, 3, 3, 3], &off), None);
    }

    #[test]
    fn the_alarm_ends_when_codes_are_in_use_again() {
        let (mut tracker, config) = (CodebookTracker::new(8, 1), CodebookConfig::default());
        let mut line = |chosen: [i64; 4]| {
            tracker.count(Tensor::<1, Int>::from_data(chosen, &Device::flex()));
            tracker.observe(&config, true);
            tracker.has_collapsed()
        };
        assert_eq!([[0; 4], [0; 4], [0; 4]].map(&mut line), [false, false, true]);
        assert!(!line([0, 1, 2, 3]));
        assert_eq!([[0; 4], [0; 4]].map(&mut line), [false, false], "the count begins anew");
    }

    #[test]
    fn codes_counted_before_quantisation_starts_raise_no_alarm() {
        let (mut tracker, config) = (CodebookTracker::new(8, 1), CodebookConfig::default());
        for _ in 0..2 * CollapseAlarm::THRESHOLD {
            tracker.count(Tensor::<1, Int>::from_data([0, 0, 0, 0], &Device::flex()));
            tracker.observe(&config, false);
        }
        assert!(!tracker.has_collapsed());
        tracker.count(Tensor::<1, Int>::from_data([0, 0, 0, 0], &Device::flex()));
        tracker.forget_codes();
        tracker.count(Tensor::<1, Int>::from_data([0, 1, 2, 3], &Device::flex()));
        let scalars = tracker.observe(&config, true);
        assert!((scalars[0].1 - 4.0).abs() < 1e-6, "{scalars:?}");
    }

    /// As at the step at which quantisation begins, or where all steps since the last line were skipped.
    #[test]
    fn a_line_for_which_nothing_was_counted_says_nothing_of_use_and_leaves_the_alarm_alone() {
        let (mut tracker, config) = (CodebookTracker::new(8, 1), CodebookConfig::default());
        let observe = |tracker: &mut CodebookTracker, counted: &[i64]| {
            tracker.count(Tensor::<1, Int>::from_data(counted, &Device::flex()));
            tracker.observe(&config, true)
        };
        for _ in 1..CollapseAlarm::THRESHOLD {
            observe(&mut tracker, &[0, 0, 0, 0]);
        }
        assert_eq!(tracker.observe(&config, true), [("replaced_codes".to_owned(), 0.0)]);
        assert!(!tracker.has_collapsed());
        observe(&mut tracker, &[0, 0, 0, 0]);
        assert!(tracker.has_collapsed(), "it does not end a series of low lines either");
    }
}
