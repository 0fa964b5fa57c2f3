//! The linear probe: how well a ridge regression predicts the true actions from the codes.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use vipra_page::two_decimals;

use super::probe_rows::ProbeRows;

/// Ridge penalties to choose from, by cross-validation on the training episodes.
const PENALTIES: [f64; 7] = [1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4];
const FOLDS: usize = 5;

/// R² of one dimension of the action, on held-out episodes: 1 is perfect, 0 is no better than the mean.
#[derive(Debug, Clone, Serialize)]
pub struct ProbeResult {
    /// Name of the dimension.
    pub dimension: String,
    /// From the codes, one-hot at each position.
    pub codes: f64,
    /// From the same codes, shuffled among the transitions.
    pub shuffled_codes: f64,
    /// From the difference of the two frames.
    pub frame_difference: f64,
}

impl ProbeResult {
    /// The numbers as cells of a table: codes, shuffled codes, frame difference.
    pub fn cells(&self) -> [String; 3] {
        let cell = |value: f64| if value.is_finite() { two_decimals(value) } else { "does not vary".to_owned() };
        [self.codes, self.shuffled_codes, self.frame_difference].map(cell)
    }
}

/// Compares how well codes, shuffled codes and frame differences predict the actions.
pub(super) fn probe(train: &ProbeRows, test: &ProbeRows, dimensions: &[String]) -> Vec<ProbeResult> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut shuffled = |rows: &[Vec<f32>]| {
        let mut rows = rows.to_vec();
        rows.shuffle(&mut random);
        rows
    };
    let fit = |train_rows: &[Vec<f32>], test_rows: &[Vec<f32>]| {
        ridge_r2(train_rows, &train.actions, &train.episodes, test_rows, &test.actions)
    };
    let codes = fit(&train.codes, &test.codes);
    let noise = fit(&shuffled(&train.codes), &shuffled(&test.codes));
    let differences = fit(&train.differences, &test.differences);
    let result = |(at, dimension): (usize, &String)| ProbeResult {
        dimension: dimension.clone(),
        codes: codes[at],
        shuffled_codes: noise[at],
        frame_difference: differences[at],
    };
    dimensions.iter().enumerate().map(result).collect()
}

/// R² of a ridge regression, for each dimension of the target. The penalty of each dimension is chosen by cross-validation
/// over `groups` of rows; features and targets are centred.
fn ridge_r2(
    features: &[Vec<f32>],
    targets: &[Vec<f64>],
    groups: &[Range<usize>],
    test_features: &[Vec<f32>],
    test_targets: &[Vec<f64>],
) -> Vec<f64> {
    let dimensions = targets.first().map_or(0, Vec::len);
    let every: Vec<usize> = (0..features.len()).collect();
    let folds: Vec<(Vec<usize>, Vec<usize>)> = (0..FOLDS.min(groups.len()))
        .map(|fold| {
            let rows = |left_out: bool| -> Vec<usize> {
                let groups = groups.iter().enumerate().filter(|(at, _)| (at % FOLDS == fold) == left_out);
                groups.flat_map(|(_, rows)| rows.clone()).collect()
            };
            (rows(false), rows(true))
        })
        .collect();
    let solved: Vec<(Ridge, &Vec<usize>)> =
        folds.iter().map(|(fitted, left_out)| (Ridge::new(features, targets, fitted), left_out)).collect();
    let all = Ridge::new(features, targets, &every);
    (0..dimensions)
        .map(|dimension| {
            let error = |penalty: f64| -> f64 {
                solved
                    .iter()
                    .map(|(ridge, left_out)| {
                        let weights = ridge.solve(dimension, penalty);
                        let error = |row: &usize| {
                            ridge.predict(&weights, dimension, &features[*row]) - targets[*row][dimension]
                        };
                        left_out.iter().map(|row| error(row).powi(2)).sum::<f64>()
                    })
                    .sum()
            };
            let best = PENALTIES.into_iter().min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(1.0);
            let weights = all.solve(dimension, best);
            let predicted: Vec<f64> = test_features.iter().map(|row| all.predict(&weights, dimension, row)).collect();
            r2(&predicted, &test_targets.iter().map(|row| row[dimension]).collect::<Vec<_>>())
        })
        .collect()
}

/// `1 − Σ(y − ŷ)² / Σ(y − ȳ)²`; NaN if the target does not vary.
fn r2(predicted: &[f64], target: &[f64]) -> f64 {
    let mean = target.iter().sum::<f64>() / target.len().max(1) as f64;
    let residual: f64 = predicted.iter().zip(target).map(|(predicted, target)| (target - predicted).powi(2)).sum();
    let total: f64 = target.iter().map(|target| (target - mean).powi(2)).sum();
    // The mean of equal numbers may be off by a rounding error, so that their sum of squares is not exactly zero.
    let varies = target.windows(2).any(|pair| pair[0] != pair[1]);
    if varies { 1.0 - residual / total } else { f64::NAN }
}

/// Normal equations of centred rows.
struct Ridge {
    gram: DMatrix<f64>,
    /// One column per dimension.
    moments: DMatrix<f64>,
    feature_means: DVector<f64>,
    target_means: DVector<f64>,
}

impl Ridge {
    fn new(features: &[Vec<f32>], targets: &[Vec<f64>], rows: &[usize]) -> Self {
        let width = features.first().map_or(0, Vec::len);
        let dimensions = targets.first().map_or(0, Vec::len);
        let mut x = DMatrix::from_fn(rows.len(), width, |row, at| f64::from(features[rows[row]][at]));
        let mut y = DMatrix::from_fn(rows.len(), dimensions, |row, at| targets[rows[row]][at]);
        let center = |matrix: &mut DMatrix<f64>| {
            let means = matrix.row_mean().transpose();
            matrix.row_iter_mut().for_each(|mut row| row -= means.transpose());
            means
        };
        let (feature_means, target_means) = (center(&mut x), center(&mut y));
        Self { gram: x.tr_mul(&x), moments: x.tr_mul(&y), feature_means, target_means }
    }

    /// Weights of one dimension; zeros if the equations cannot be solved.
    fn solve(&self, dimension: usize, penalty: f64) -> DVector<f64> {
        let width = self.gram.nrows();
        let system = &self.gram + DMatrix::identity(width, width) * penalty;
        let moment = self.moments.column(dimension).into_owned();
        system.cholesky().map_or_else(|| DVector::zeros(width), |factors| factors.solve(&moment))
    }

    fn predict(&self, weights: &DVector<f64>, dimension: usize, row: &[f32]) -> f64 {
        let deviations = row.iter().zip(&self.feature_means).map(|(value, mean)| f64::from(*value) - mean);
        self.target_means[dimension] + deviations.zip(weights.iter()).map(|(value, weight)| value * weight).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{ProbeRows, probe};

    /// One dimension is linear in the codes, one in the difference, one is noise, one is constant.
    #[test]
    fn what_is_linear_is_found_and_noise_is_not() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut rows = |episodes: usize| {
            let mut rows = ProbeRows::default();
            for episode in 0..episodes {
                rows.episodes.push(episode * 20..(episode + 1) * 20);
                for _ in 0..20 {
                    let code = random.random_range(0..4_usize);
                    let codes: Vec<f32> = (0..4).map(|at| if at == code { 1.0 } else { 0.0 }).collect();
                    let difference: Vec<f32> = (0..3).map(|_| random.random::<f32>()).collect();
                    rows.actions.push(vec![
                        [0.1, -2.0, 3.0, 0.5][code],
                        f64::from(difference[0] - 2.0 * difference[2]),
                        random.random::<f64>(),
                        0.7,
                    ]);
                    rows.codes.push(codes);
                    rows.differences.push(difference);
                }
            }
            rows
        };
        let (train, test) = (rows(20), rows(10));
        let results = probe(&train, &test, &["a", "b", "c", "d"].map(str::to_owned));
        assert!(results[0].codes > 0.99 && results[0].frame_difference < 0.1, "{results:?}");
        assert!(results[1].frame_difference > 0.99 && results[1].codes < 0.1, "{results:?}");
        assert!(results[2].codes < 0.1 && results[2].frame_difference < 0.1, "{results:?}");
        assert!(results[..3].iter().all(|result| result.shuffled_codes < 0.1), "{results:?}");
        assert_eq!(results[0].cells()[0], "1.00");
        assert_eq!(results[3].cells(), ["does not vary"; 3]);
    }
}
