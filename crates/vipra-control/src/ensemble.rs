//! The average of what several chunks hold for one step.

use std::f64::consts::TAU;

use crate::{ActionSpace, RotationForm};

/// Averages actions of one step, each number after its kind.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    /// The gripper's dimension, and half way between open and closed.
    gripper: Option<(usize, f32)>,
    /// A full turn of each dimension that is an angle, in its unit. Components of rotation vectors are none: a turn of all of them
    /// together is not one of each.
    turns: Vec<Option<f64>>,
}

impl Ensemble {
    pub(crate) fn new(space: &ActionSpace) -> Self {
        let middle = space.gripper.as_ref().map(|gripper| ((gripper.open + gripper.closed) / 2.0) as f32);
        let has_angles = space.rotation != RotationForm::RotationVector;
        let turns = space.units.iter().map(|unit| full_turn(unit).filter(|_| has_angles)).collect();
        Self { gripper: space.gripper_dimension().zip(middle), turns }
    }

    /// The average action, `[dimensions]`, of what chunks hold, the oldest first. The oldest has the weight 1, the next `exp(-decay)`, and
    /// so on. None without an action.
    pub(crate) fn average(&self, actions: &[Vec<f32>], decay: f64) -> Option<Vec<f32>> {
        let newest = actions.last()?;
        let weights = weights(actions.len(), decay);
        let mean = |at: usize| {
            let values = actions.iter().map(|action| f64::from(action[at]));
            let mean = match self.turns.get(at) {
                Some(Some(turn)) => {
                    let newest = f64::from(newest[at]);
                    newest + weighted_mean(values.map(|angle| shorter_way(angle - newest, *turn)), &weights)
                }
                _ => weighted_mean(values, &weights),
            };
            mean as f32
        };
        let mut action: Vec<f32> = (0..newest.len()).map(mean).collect();
        if let Some((at, middle)) = self.gripper {
            action[at] = majority(actions, at, middle, action[at]);
        }
        Some(action)
    }
}

/// A gripper half way between open and closed is neither: where chunks disagree, the value nearest to the mean wins.
fn majority(actions: &[Vec<f32>], at: usize, middle: f32, mean: f32) -> f32 {
    let same_side = actions.iter().map(|action| action[at]).filter(|value| (*value > middle) == (mean > middle));
    same_side.min_by(|a, b| (a - mean).abs().total_cmp(&(b - mean).abs())).unwrap_or(mean)
}

fn full_turn(unit: &str) -> Option<f64> {
    match unit {
        "rad" => Some(TAU),
        "deg" => Some(360.0),
        _ => None,
    }
}

/// An angle as at most half a turn, either way.
fn shorter_way(angle: f64, turn: f64) -> f64 {
    angle - turn * (angle / turn).round()
}

/// What so many actions weigh, up to a factor that makes the heaviest weigh 1: none is infinite.
fn weights(actions: usize, decay: f64) -> Vec<f64> {
    let heaviest = if decay < 0.0 { actions.saturating_sub(1) } else { 0 };
    (0..actions).map(|index| (-decay * (index as f64 - heaviest as f64)).exp()).collect()
}

fn weighted_mean(values: impl Iterator<Item = f64>, weights: &[f64]) -> f64 {
    let sum: f64 = values.zip(weights).map(|(value, weight)| weight * value).sum();
    sum / weights.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use std::f32::consts::PI;

    use vipra_data::normalize::Normalizer;

    use super::*;
    use crate::ActionKind;

    /// The average of values of a dimension, the oldest first.
    fn average(decay: f64, unit: &str, values: &[f32]) -> f32 {
        average_of(RotationForm::None, decay, unit, values)
    }

    fn average_of(rotation: RotationForm, decay: f64, unit: &str, values: &[f32]) -> f32 {
        let space = ActionSpace {
            kind: ActionKind::Absolute,
            rotation,
            gripper: None,
            names: vec!["x".into()],
            units: vec![unit.into()],
            normalizer: Normalizer { offset: vec![0.0], scale: vec![1.0] },
        };
        let actions: Vec<Vec<f32>> = values.iter().map(|value| vec![*value]).collect();
        Ensemble::new(&space).average(&actions, decay).unwrap()[0]
    }

    #[test]
    fn angles_are_averaged_along_the_shorter_way() {
        let cases =
            [("rad", [3.1, -3.1], -PI), ("rad", [0.5, 0.1], 0.3), ("deg", [350.0, 20.0], 5.0), ("m", [3.1, -3.1], 0.0)];
        for (unit, values, expected) in cases {
            let found = average(0.0, unit, &values);
            assert!((found - expected).abs() < 1e-4, "{values:?} {unit}: {found}, expected {expected}");
        }
    }

    #[test]
    fn components_of_rotation_vectors_are_no_angles() {
        assert_eq!(average_of(RotationForm::RotationVector, 0.0, "rad", &[2.9, -2.9]), 0.0);
    }

    #[test]
    fn whatever_the_decay_is_the_average_is_a_number() {
        for unit in ["m", "rad"] {
            for (decay, expected) in [(-1e3, 3.0), (-f64::MAX, 3.0), (f64::MAX, 1.0)] {
                assert_eq!(average(decay, unit, &[1.0, 2.0, 3.0]), expected, "{decay} {unit}");
            }
        }
    }

    #[test]
    fn newer_actions_weigh_more_where_the_decay_is_below_zero() {
        let share = 0.5_f64.exp();
        let expected = (1.0 + share * 2.0) / (1.0 + share);
        assert!((f64::from(average(-0.5, "m", &[1.0, 2.0])) - expected).abs() < 1e-6);
    }
}
