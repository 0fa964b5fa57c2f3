//! Rates with their intervals, and the paired test.

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

/// Successes of a number of trials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Those that succeeded.
    pub successes: usize,
    /// All of them.
    pub trials: usize,
}

impl Rate {
    /// Counts what is true.
    pub fn of(trials: impl IntoIterator<Item = bool>) -> Self {
        trials.into_iter().fold(Self::default(), |rate, success| Self {
            successes: rate.successes + usize::from(success),
            trials: rate.trials + 1,
        })
    }

    /// From 0 to 1; 0 of no trials.
    pub fn share(&self) -> f64 {
        self.successes as f64 / self.trials.max(1) as f64
    }

    /// 95 % interval after Wilson; 0 to 1 of no trials.
    pub fn interval(&self) -> [f64; 2] {
        vipra_page::wilson(self.successes as f64, self.trials as f64)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [low, high] = self.interval().map(|share| share * 100.0);
        write!(formatter, "{:.1} % [{low:.1}, {high:.1}]", self.share() * 100.0)
    }
}

/// The exact test of McNemar: how likely so uneven a split of the pairs that differ is, if either way were as likely; two-sided.
pub fn mcnemar(only_first: usize, only_second: usize) -> f64 {
    let pairs = (only_first + only_second) as u64;
    let fewer = only_first.min(only_second) as u64;
    let Ok(coin) = Binomial::new(0.5, pairs) else { return 1.0 };
    (2.0 * coin.cdf(fewer)).min(1.0)
}

/// The value below which a share of the values lies, by the nearest rank; None of no values.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: [f64; 2], wanted: [f64; 2]) {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 5e-5), "{found:?} {wanted:?}");
    }

    /// Worked out apart, by hand of the formula in Python.
    #[test]
    fn intervals_are_wilsons() {
        close(Rate { successes: 27, trials: 96 }.interval(), [0.20107, 0.37826]);
        close(Rate { successes: 0, trials: 24 }.interval(), [0.0, 0.13798]);
        close(Rate { successes: 200, trials: 200 }.interval(), [0.98115, 1.0]);
        close(Rate::default().interval(), [0.0, 1.0]);
    }

    /// Worked out apart, with whole binomial coefficients.
    #[test]
    fn the_paired_test_is_exact() {
        for ((first, second), wanted) in [
            ((0, 0), 1.0),
            ((5, 5), 1.0),
            ((1, 9), 0.021_484_375),
            ((9, 1), 0.021_484_375),
            ((0, 6), 0.03125),
            ((10, 20), 0.098_737_15),
        ] {
            assert!((mcnemar(first, second) - wanted).abs() < 1e-7, "{first} {second}: {}", mcnemar(first, second));
        }
    }

    #[test]
    fn quantiles_are_values() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(
            [0.0, 0.5, 0.95, 1.0].map(|share| quantile(&values, share)),
            [Some(1.0), Some(2.0), Some(4.0), Some(4.0)]
        );
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn the_rate_lies_in_its_interval(trials in 1_usize..5000, share in 0.0_f64..=1.0) {
            let rate = Rate { successes: (share * trials as f64) as usize, trials };
            let [low, high] = rate.interval();
            prop_assert!(0.0 <= low && low <= rate.share() + 1e-12 && rate.share() <= high + 1e-12 && high <= 1.0);
        }
    }
}
