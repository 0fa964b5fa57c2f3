//! Replacement of unused codes: when it is due, and by copies of used ones.

use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng, seq::SliceRandom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::codebook::CodeUsage;

use super::nsvq::Nsvq;

/// Standard deviation of the noise on a copied code: next to nothing in f32 (reference 1).
const COPY_NOISE: f32 = 1e-8;

/// Where a replaced code starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplacementSource {
    /// At a copy of a used code, with next to no noise, as in the release (reference 1).
    UsedCodes,
    /// At what the encoder puts out where the used codes are far away.
    EncoderOutputs,
}

/// When codes are replaced, which ones, and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplacementConfig {
    /// Where a replaced code starts anew.
    pub source: ReplacementSource,
    /// A code chosen in less than this share of all choices counts as unused (0.015 in the release, reference 1).
    pub threshold: f32,
    /// Steps from one replacement of unused codes to the next; 0 is the published schedule, frequent at first and then rarer.
    pub every: u64,
    /// From this step on nothing is replaced any more (120 000 in the release, reference 1).
    pub last_step: u64,
}

impl Default for ReplacementConfig {
    /// The release's schedule (reference 1), from the encoder's outputs.
    fn default() -> Self {
        Self { source: ReplacementSource::EncoderOutputs, threshold: 0.015, every: 0, last_step: 120_000 }
    }
}

impl ReplacementConfig {
    /// Whether codes are replaced after `step` steps: frequently at first and then more rarely (reference 1), or at a fixed
    /// interval.
    pub fn is_due(&self, step: u64) -> bool {
        let interval = match step {
            1.. if self.every > 0 => self.every,
            0..=99 => return false,
            100..=1_000 => 100,
            1_001..=10_000 => 1_000,
            10_001..=40_000 => 2_000,
            40_001..=90_000 => 3_000,
            _ => 5_000,
        };
        step < self.last_step && step.is_multiple_of(interval)
    }
}

/// Which used code each unused one is replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// For each code the one whose vector it gets; itself if it keeps its own.
    sources: Vec<usize>,
    /// Whether each code gets noise: the replaced ones do, or all if none was used.
    noisy: Vec<bool>,
}

impl Replacement {
    /// Draws a used code for each unused one, without replacement as long as there are enough of them.
    pub fn draw(usage: &CodeUsage, threshold: f32, random: &mut impl Rng) -> Self {
        Self::with_permutation(usage, threshold, |count| {
            let mut order: Vec<usize> = (0..count).collect();
            order.shuffle(random);
            order
        })
    }

    /// As [`draw`](Self::draw), from a permutation of `0..count` made by the caller.
    pub fn with_permutation(usage: &CodeUsage, threshold: f32, permute: impl FnOnce(usize) -> Vec<usize>) -> Self {
        let unused = usage.unused(threshold);
        let indices = |of: bool| unused.iter().enumerate().filter(move |(_, flag)| **flag == of).map(|(code, _)| code);
        let used: Vec<usize> = indices(false).collect();
        let mut sources: Vec<usize> = (0..unused.len()).collect();
        if used.is_empty() {
            return Self { sources, noisy: vec![true; unused.len()] };
        }
        let wanted = unused.len() - used.len();
        let candidates = used.len() * wanted.div_ceil(used.len()).max(1);
        let order = permute(candidates);
        for (code, choice) in indices(true).zip(order) {
            sources[code] = used[choice % used.len()];
        }
        Self { sources, noisy: unused }
    }

    /// For each code the one whose vector it gets; itself if it keeps its own.
    pub fn sources(&self) -> &[usize] {
        &self.sources
    }

    /// Number of codes that are overwritten.
    pub fn replaced(&self) -> usize {
        self.sources.iter().enumerate().filter(|(code, source)| code != *source).count()
    }

    /// The quantiser with its unused codes overwritten. The parameter keeps its id, and with it the optimiser's moments,
    /// as in the reference. Reset the [`CodeUsage`] afterwards.
    ///
    /// # Shapes
    /// `noise`: `[codes, dim]`, standard normal.
    pub fn apply(&self, quantizer: Nsvq, noise: Tensor<2>) -> Nsvq {
        let codes = self.sources.len();
        let sources: Vec<i64> = self.sources.iter().map(|source| *source as i64).collect();
        let scale: Vec<f32> = self.noisy.iter().map(|noisy| if *noisy { COPY_NOISE } else { 0.0 }).collect();
        quantizer.map_codebook(|before| {
            let device = before.device();
            let scale = Tensor::<2>::from_data(TensorData::new(scale, [codes, 1]), &device);
            let sources = Tensor::<1, Int>::from_data(TensorData::new(sources, [codes]), &device);
            before.select(0, sources) + noise.without_autodiff() * scale
        })
    }
}
