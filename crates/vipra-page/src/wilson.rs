//! The interval of a share.

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// 95 % interval of the share of successes (Wilson, 1927), within 0 to 1; 0 to 1 of no trials.
pub fn wilson(successes: f64, trials: f64) -> [f64; 2] {
    if trials == 0.0 {
        return [0.0, 1.0];
    }
    let share = successes / trials;
    let middle = share + Z * Z / (2.0 * trials);
    let half = Z * (share * (1.0 - share) / trials + Z * Z / (4.0 * trials * trials)).sqrt();
    let whole = 1.0 + Z * Z / trials;
    [((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::wilson;

    #[test]
    fn intervals_are_those_of_the_literature() {
        for ((successes, trials), wanted) in
            [((41.0, 96.0), [0.333, 0.527]), ((8.0, 10.0), [0.490, 0.943]), ((0.0, 20.0), [0.0, 0.161])]
        {
            let found = wilson(successes, trials);
            let is_close = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 5e-4);
            assert!(is_close, "{successes} of {trials}: {found:?}");
        }
        assert_eq!(wilson(0.0, 0.0), [0.0, 1.0]);
    }
}
