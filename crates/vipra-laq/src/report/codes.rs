//! Distribution of the codes of transitions.

use serde::Serialize;

use crate::quantizer::{CodeUsage, count_positions, overall};

/// Use of the codebook over held-out transitions.
#[derive(Debug, Clone, Serialize)]
pub struct CodeStatistics {
    /// Share of each code, over all positions.
    pub shares: Vec<f64>,
    /// Codes effectively in use, over all positions.
    pub perplexity: f64,
    /// Codes that were never chosen.
    pub dead_codes: usize,
    /// Each position of a transition on its own.
    pub positions: Vec<PositionStatistics>,
}

/// Use of the codebook at one position of a transition.
#[derive(Debug, Clone, Serialize)]
pub struct PositionStatistics {
    /// Share of each code.
    pub shares: Vec<f64>,
    /// In bits; at most log₂ of the number of codes.
    pub entropy_bits: f64,
    /// Codes that were never chosen here.
    pub dead_codes: usize,
}

impl CodeStatistics {
    /// Counts transitions of `code_length` codes each, from a codebook of `codes`.
    ///
    /// # Shapes
    /// `transitions`: `[transitions, code_length]`
    pub fn new(transitions: &[u8], code_length: usize, codes: usize) -> Self {
        let mut usage = vec![CodeUsage::new(codes); code_length];
        count_positions(&mut usage, transitions);
        let all = overall(&usage);
        let positions = usage.iter().map(PositionStatistics::new).collect();
        Self { shares: shares(&all), perplexity: all.perplexity(), dead_codes: codes - all.distinct(), positions }
    }
}

impl PositionStatistics {
    fn new(usage: &CodeUsage) -> Self {
        Self {
            shares: shares(usage),
            entropy_bits: usage.perplexity().max(1.0).log2(),
            dead_codes: usage.counts().len() - usage.distinct(),
        }
    }
}

fn shares(usage: &CodeUsage) -> Vec<f64> {
    let total = usage.counts().iter().sum::<u64>().max(1) as f64;
    usage.counts().iter().map(|count| *count as f64 / total).collect()
}

#[cfg(test)]
mod tests {
    use super::CodeStatistics;

    #[test]
    fn positions_are_told_apart() {
        let statistics = CodeStatistics::new(&[0, 1, 0, 2, 0, 1, 0, 2], 2, 4);
        assert_eq!(statistics.shares, [0.5, 0.25, 0.25, 0.0]);
        assert_eq!(statistics.dead_codes, 1);
        assert_eq!(statistics.positions[0].dead_codes, 3);
        assert!(statistics.positions[0].entropy_bits.abs() < 1e-6);
        assert!((statistics.positions[1].entropy_bits - 1.0).abs() < 1e-6);
    }
}
