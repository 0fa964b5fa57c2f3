//! The codebook while it learns: counts of its use, replacement of unused codes, the alarm of a collapse.

use burn::tensor::{Distribution, Int, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use vipra_nn::codebook::{CollapseAlarm, follow};
use vipra_train::Scalars;

use super::config::CodebookConfig;
use crate::quantizer::{CodeUsage, Nsvq, Replacement, ReplacementSource, reseed_unused};

/// Perplexity over all positions below which the codebook has collapsed, whatever it is at each of them; a quarter of the
/// codes where these are few.
const MIN_CODES: f64 = 2.0;

/// What is known of the codebook's use. Part of the training state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodebookTracker {
    /// Counts since the last replacement.
    since_replacement: CodeUsage,
    /// Counts since the last line of metrics, at each position of a transition.
    since_line: Vec<CodeUsage>,
    /// Codes replaced since the last line of metrics.
    replaced: usize,
    /// Counts lines of metrics with a low perplexity.
    #[serde(rename = "low_lines")]
    alarm: CollapseAlarm,
}

impl CodebookTracker {
    /// Nothing counted yet.
    pub fn new(codes: usize, code_length: usize) -> Self {
        let usage = CodeUsage::new(codes);
        Self {
            since_line: vec![usage.clone(); code_length],
            since_replacement: usage,
            replaced: 0,
            alarm: CollapseAlarm::default(),
        }
    }

    /// Counts the codes of a batch.
    pub fn count<const D: usize>(&mut self, codes: Tensor<D, Int>) {
        let codes: Vec<i64> = codes.into_data().iter::<i64>().collect();
        self.since_replacement.add(&codes);
        count_positions(&mut self.since_line, &codes);
    }

    /// The quantiser with unused codes replaced, where that is due after `steps` steps.
    ///
    /// # Shapes
    /// `vectors`: what the encoder put out in this step, `[vectors, dim]`.
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

    /// Starts all counts over: there are other codes from now on.
    pub fn forget_codes(&mut self) {
        self.since_replacement.reset();
        self.since_line.iter_mut().for_each(CodeUsage::reset);
        self.alarm.reset();
    }

    /// Numbers since the last line, and a warning where the codebook has collapsed; `are_read`: whether the decoder reads codes
    /// yet. Those that it does not are thrown away.
    pub fn observe(&mut self, config: &CodebookConfig, are_read: bool) -> Scalars {
        let scalars = usage_scalars(&self.since_line);
        let (all, at_position) = (overall(&self.since_line).perplexity(), position_perplexity(&self.since_line));
        let fewest = MIN_CODES.min(self.since_replacement.counts().len() as f64 / 4.0);
        let is_low =
            are_read && config.alarm_perplexity > 1.0 && (at_position < config.alarm_perplexity || all < fewest);
        if self.alarm.update(is_low) {
            let lines = CollapseAlarm::THRESHOLD;
            tracing::warn!(
                "the codebook has collapsed: at a position of a transition {at_position:.2} codes are effectively in use, and \
                 {all:.2} over all positions, for {lines} lines of metrics; the latent actions of this run say next to \
                 nothing. Try laq.codebook.first_step, laq.model.centered_transitions, \
                 laq.codebook.learning = \"averages\", a lower learning rate, or clips in which more happens (data.clip.interval_secs)"
            );
        }
        self.since_line.iter_mut().for_each(CodeUsage::reset);
        let replaced = std::mem::take(&mut self.replaced);
        scalars.into_iter().chain([("replaced_codes".to_owned(), replaced as f64)]).collect()
    }

    /// Whether the alarm is on.
    pub fn has_collapsed(&self) -> bool {
        self.alarm.is_on()
    }
}

/// The quantiser with each code moved towards the mean of the vectors that chose it.
pub(super) fn update_code_means(quantizer: Nsvq, vectors: &Tensor<2>, memory: f64) -> Nsvq {
    let numbers: Vec<f32> = vectors.to_data().iter::<f32>().collect();
    let codes = quantizer.nearest(vectors.clone());
    let codes: Vec<i64> = codes.into_data().iter::<i64>().collect();
    quantizer.map_codebook(|codebook| follow(codebook, &numbers, &codes, memory))
}

/// Adds codes, position by position, to the counts of each position.
pub(super) fn count_positions(positions: &mut [CodeUsage], codes: &[i64]) {
    let length = positions.len().max(1);
    for (position, usage) in positions.iter_mut().enumerate() {
        usage.add(&codes.iter().skip(position).step_by(length).copied().collect::<Vec<_>>());
    }
}

/// Codes effectively in use at a position, on average. A codebook of which each position has one code for itself looks
/// busy as a whole, and says nothing.
pub(super) fn position_perplexity(positions: &[CodeUsage]) -> f64 {
    positions.iter().map(CodeUsage::perplexity).sum::<f64>() / positions.len().max(1) as f64
}

/// The counts of all positions together.
fn overall(positions: &[CodeUsage]) -> CodeUsage {
    let codes = positions.first().map_or(0, |usage| usage.counts().len());
    let sum = |code: usize| positions.iter().map(|usage| usage.counts()[code]).sum::<u64>();
    CodeUsage::from_counts((0..codes).map(sum).collect())
}

/// Perplexity over all positions and at each, number of codes never chosen, and the share of each code.
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

    /// Lines of metrics until the alarm, if two positions of a transition choose these codes, out of `codes`.
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
    fn codes_that_are_not_read_yet_raise_no_alarm() {
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
}
