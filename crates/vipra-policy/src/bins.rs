//! Numbers as bins, by quantiles of each dimension: the actions of ViPRA-AR.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Bins of each dimension of an action, in the robot's units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bins {
    /// Inner edges of each dimension, ascending: one fewer than its bins.
    edges: Vec<Vec<f64>>,
    /// What the bins of each dimension stand for: the mean of the values that they were made of.
    centers: Vec<Vec<f64>>,
}

impl Bins {
    /// At most `count` bins of as many values each as ties allow. A dimension of few different values, such as a gripper's,
    /// gets one bin for each; a constant one gets one.
    ///
    /// # Shapes
    /// `actions`: `[actions, width]`
    ///
    /// # Errors
    /// [`Error::Invalid`] without actions, without bins, or for numbers that are none.
    pub fn of(actions: &[f64], width: usize, count: usize) -> Result<Self> {
        if actions.is_empty() || width == 0 || count == 0 {
            return Err(Error::Invalid(format!("{count} bins cannot be made of {} numbers", actions.len())));
        }
        if let Some(value) = actions.iter().find(|value| !value.is_finite()) {
            return Err(Error::Invalid(format!("bins cannot be made of {value}")));
        }
        let mut bins = Self { edges: Vec::new(), centers: Vec::new() };
        for dimension in 0..width {
            let mut values: Vec<f64> = actions.iter().skip(dimension).step_by(width).copied().collect();
            values.sort_by(f64::total_cmp);
            let edges = edges(&values, count);
            let mut centers = Vec::new();
            let mut rest = &values[..];
            for edge in edges.iter().chain(&[f64::INFINITY]) {
                let (inside, behind) = rest.split_at(rest.partition_point(|value| value < edge));
                centers.push(mean(inside));
                rest = behind;
            }
            bins.edges.push(edges);
            bins.centers.push(centers);
        }
        Ok(bins)
    }

    /// Dimensions of an action.
    pub fn width(&self) -> usize {
        self.centers.len()
    }

    /// Bins of a dimension; 0 where there is no such dimension.
    pub fn count(&self, dimension: usize) -> usize {
        self.centers.get(dimension).map_or(0, Vec::len)
    }

    /// Bins of the dimension with the most: the size of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.centers.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The bin of each number of actions, `[actions, width]`; what lies outside belongs to the first or the last.
    pub fn encode(&self, actions: &[f64]) -> Vec<u32> {
        let dimensions = self.edges.iter().cycle();
        actions
            .iter()
            .zip(dimensions)
            .map(|(value, edges)| edges.partition_point(|edge| edge <= value) as u32)
            .collect()
    }

    /// What the bins of actions, `[actions, width]`, stand for.
    ///
    /// # Errors
    /// [`Error::Bin`] for a bin that its dimension does not have.
    pub fn decode(&self, bins: &[u32]) -> Result<Vec<f64>> {
        let dimensions = self.centers.iter().cycle();
        let decoded = bins.iter().zip(dimensions).enumerate().map(|(position, (bin, centers))| {
            let (action, dimension) = (position / self.width(), position % self.width());
            let fault = || Error::Bin { action, dimension, bin: *bin, bins: centers.len() };
            centers.get(*bin as usize).copied().ok_or_else(fault)
        });
        decoded.collect()
    }
}

/// Mean of sorted values. Rounding must not carry it out of them: it would belong to another bin.
fn mean(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    match values {
        [first, .., last] => mean.clamp(*first, *last),
        _ => mean,
    }
}

/// Different inner edges at quantiles of sorted values, each the first of the values of its bin.
fn edges(values: &[f64], count: usize) -> Vec<f64> {
    let mut different = values.to_vec();
    different.dedup();
    if different.len() <= count {
        return different.split_off(1);
    }
    let mut edges: Vec<f64> = (1..count).map(|bin| values[bin * values.len() / count]).collect();
    edges.dedup();
    edges.retain(|edge| *edge > values[0]);
    edges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gripper_gets_two_bins_and_a_constant_one() {
        let actions = [0.0, 1.0, 5.0, 0.1, -1.0, 5.0, 0.2, 1.0, 5.0, 0.3, 1.0, 5.0];
        let bins = Bins::of(&actions, 3, 8).unwrap();
        assert_eq!([bins.count(0), bins.count(1), bins.count(2)], [4, 2, 1]);
        assert_eq!(bins.vocabulary(), 4);
        let there = bins.encode(&[0.16, 0.9, 7.0, -3.0, -1.0, 5.0]);
        assert_eq!(bins.decode(&there).unwrap(), [0.1, -1.0, 5.0, 0.0, -1.0, 5.0]);
        assert_eq!(bins.decode(&bins.encode(&actions)).unwrap(), actions);
    }

    #[test]
    fn a_bin_that_there_is_not_is_an_error_and_no_action() {
        let bins = Bins::of(&[0.0, 5.0, 1.0, 5.0], 2, 4).unwrap();
        let message = bins.decode(&[1, 0, 1, 1]).unwrap_err().to_string();
        assert_eq!(message, "action 1 of a chunk has bin 1 in dimension 1, whose number of bins is 1");
    }

    #[test]
    fn no_bins_are_made_of_nothing() {
        for (actions, count) in [(&[][..], 4), (&[1.0][..], 0), (&[f64::NAN][..], 4)] {
            assert!(Bins::of(actions, 1, count).is_err());
        }
    }

    proptest! {
        /// Every bin is used, stands inside of its edges, and is where what it stands for belongs.
        #[test]
        fn bins_are_their_own_inverse(values in prop::collection::vec(-50_i32..50, 2..200), count in 1..20_usize) {
            let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 7.0).collect();
            let bins = Bins::of(&values, 1, count).unwrap();
            prop_assert!(bins.count(0) <= count);
            let all: Vec<u32> = (0..bins.count(0) as u32).collect();
            prop_assert_eq!(bins.encode(&bins.decode(&all).unwrap()), all.clone());
            let mut used = bins.encode(&values);
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used, all);
        }

        /// Values without ties fill bins evenly.
        #[test]
        fn bins_hold_as_many_values_each(count in 2..16_usize, each in 2..10_usize) {
            let values: Vec<f64> = (0..count * each).map(|value| value as f64).collect();
            let ids = Bins::of(&values, 1, count).unwrap().encode(&values);
            for bin in 0..count as u32 {
                prop_assert_eq!(ids.iter().filter(|id| **id == bin).count(), each);
            }
        }
    }
}
