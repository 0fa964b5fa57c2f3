//! Quantiles of weighted values.

/// The quantile of sorted weighted values, linear between neighbours.
pub(super) fn quantile(sorted: &[(f64, usize)], total: usize, q: f64) -> f64 {
    let rank = q * total.saturating_sub(1) as f64;
    let (below, fraction) = (rank.floor() as usize, rank.fract());
    let (low, high) = (nth(sorted, below), nth(sorted, below + 1));
    if fraction == 0.0 { low } else { low + (high - low) * fraction }
}

fn nth(sorted: &[(f64, usize)], rank: usize) -> f64 {
    let mut seen = 0;
    for (value, weight) in sorted {
        seen += weight;
        if rank < seen {
            return *value;
        }
    }
    sorted.last().map_or(f64::NAN, |(value, _)| *value)
}
