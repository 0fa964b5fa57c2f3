//! Counts of how often each code is chosen.

use serde::{Deserialize, Serialize};

/// Added to a probability inside the logarithm, and to a total before dividing by it (reference 1).
const EPSILON: f64 = 1e-8;

/// How often each code was chosen. Part of the training state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeUsage {
    counts: Vec<u64>,
}

impl CodeUsage {
    /// All counts at 0.
    pub fn new(codes: usize) -> Self {
        Self { counts: vec![0; codes] }
    }

    /// From given counts, one per code.
    pub fn from_counts(counts: Vec<u64>) -> Self {
        Self { counts }
    }

    /// Counts codes. Returns false if some are not in the codebook; these are not counted.
    pub fn add(&mut self, codes: &[i64]) -> bool {
        let mut all_known = true;
        for code in codes {
            match usize::try_from(*code).ok().and_then(|code| self.counts.get_mut(code)) {
                Some(count) => *count += 1,
                None => all_known = false,
            }
        }
        all_known
    }

    /// The count of each code.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Number of codes that were chosen at least once.
    pub fn distinct(&self) -> usize {
        self.counts.iter().filter(|count| **count > 0).count()
    }

    /// Whether each code was chosen in less than a share `threshold` of all choices (reference 1).
    ///
    /// Computed in f32, as in the reference: a share of exactly `threshold` then counts as used, while in f64 the epsilon in
    /// the total would make it too small.
    pub fn unused(&self, threshold: f32) -> Vec<bool> {
        let total = self.counts.iter().sum::<u64>() as f32 + EPSILON as f32;
        self.counts.iter().map(|count| (*count as f32 / total) < threshold).collect()
    }

    /// [`perplexity`] of the counts.
    pub fn perplexity(&self) -> f64 {
        perplexity(&self.counts)
    }

    /// Sets all counts to 0.
    pub fn reset(&mut self) {
        self.counts.fill(0);
    }
}

/// `exp(−Σ p·log p)` of counts: the effective number of codes in use, between 1 and their number (reference 1); 0 if all
/// counts are 0.
pub fn perplexity(counts: &[u64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    if total == 0.0 {
        return 0.0;
    }
    let entropy: f64 = counts
        .iter()
        .map(|count| {
            let share = *count as f64 / total;
            -share * (share + EPSILON).ln()
        })
        .sum();
    entropy.exp()
}
