//! How often each code is chosen at each position of a transition.

use vipra_nn::codebook::CodeUsage;

/// Counts codes, each at its position.
///
/// # Shapes
/// `codes`: `[transitions, positions]`
pub(crate) fn count_positions<C: Copy + Into<i64>>(positions: &mut [CodeUsage], codes: &[C]) {
    let length = positions.len().max(1);
    for (position, usage) in positions.iter_mut().enumerate() {
        let at_position = codes.iter().skip(position).step_by(length);
        usage.add(&at_position.map(|code| (*code).into()).collect::<Vec<i64>>());
    }
}

/// Mean perplexity of the positions. A codebook of which each position keeps one code for itself looks busy as a whole, and
/// says nothing.
pub(crate) fn position_perplexity(positions: &[CodeUsage]) -> f64 {
    positions.iter().map(CodeUsage::perplexity).sum::<f64>() / positions.len().max(1) as f64
}

/// The counts of all positions together.
pub(crate) fn overall(positions: &[CodeUsage]) -> CodeUsage {
    let codes = positions.first().map_or(0, |usage| usage.counts().len());
    let sum = |code: usize| positions.iter().map(|usage| usage.counts()[code]).sum::<u64>();
    CodeUsage::from_counts((0..codes).map(sum).collect())
}
