//! How a token is chosen from its scores.

use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a token is chosen from its scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Sampling temperature; 0 is greedy.
    #[schemars(range(min = 0.0))]
    pub temperature: f64,
    /// Sample among the K likeliest; 0 samples among all.
    pub top_k: usize,
}

impl Default for Sampling {
    /// Greedy. (The release always draws, among 50.)
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0 }
    }
}

impl Sampling {
    /// Samples an index of `scores`, which are logits.
    pub(crate) fn sample_index(&self, scores: &[f32], random: &mut impl Rng) -> usize {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Of equal scores the first one wins.
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        if self.temperature <= 0.0 || order.is_empty() {
            return order.first().copied().unwrap_or(0);
        }
        if self.top_k > 0 {
            order.truncate(self.top_k);
        }
        let highest = f64::from(scores[order[0]]);
        let shares: Vec<f64> =
            order.iter().map(|at| ((f64::from(scores[*at]) - highest) / self.temperature).exp()).collect();
        let mut rest = random.random::<f64>() * shares.iter().sum::<f64>();
        for (at, share) in order.iter().zip(&shares) {
            rest -= share;
            if rest < 0.0 {
                return *at;
            }
        }
        order[order.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::Sampling;

    #[test]
    fn greedy_is_greedy_and_top_k_forgets_the_rest() {
        let scores = [0.1, 2.0, 2.0, -1.0, 1.9];
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let greedy = Sampling::default();
        assert!((0..50).all(|_| greedy.sample_index(&scores, &mut random) == 1));
        let drawn = Sampling { temperature: 1.0, top_k: 3 };
        let mut counts = [0; 5];
        (0..3000).for_each(|_| counts[drawn.sample_index(&scores, &mut random)] += 1);
        assert_eq!((counts[0], counts[3]), (0, 0));
        // Shares e^2 : e^2 : e^1.9.
        assert!((counts[1] as f64 / 3000.0 - 0.3443).abs() < 0.03, "{counts:?}");
        assert!((counts[4] as f64 / 3000.0 - 0.3115).abs() < 0.03, "{counts:?}");
    }
}
