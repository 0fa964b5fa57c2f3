//! Numbers on a common scale, and back.
//!
//! Every kind is a shift and a scale per dimension, so that the way back is exact up to rounding. A dimension that hardly
//! varies is not blown up: its scale has a floor (openpi #814: a near-constant dimension reached −3200).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::stats::{FeatureStats, Stats};

/// How a feature is normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Mean 0, standard deviation 1, as ViPRA's code does.
    #[default]
    MeanStd,
    /// 1 % to 99 % quantile onto −1..1, not clamped.
    Quantile,
    /// Smallest to largest value onto −1..1.
    MinMax,
    /// Unchanged.
    Identity,
}

/// How the features of a dataset are normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizationConfig {
    /// Features that are not named in `features`.
    pub default: Normalization,
    /// Smallest scale of a dimension, in the feature's unit: a standard deviation or half a range below it is raised to
    /// it.
    #[schemars(range(min = 1e-12))]
    pub scale_floor: f64,
    /// Feature → its kind.
    pub features: BTreeMap<String, Normalization>,
    /// Feature → dimensions, by name, that stay unchanged, such as a gripper.
    pub identity_dimensions: BTreeMap<String, Vec<String>>,
}

impl Default for NormalizationConfig {
    fn default() -> Self {
        NormalizationConfig {
            default: Normalization::default(),
            scale_floor: 1e-4,
            features: BTreeMap::new(),
            identity_dimensions: BTreeMap::new(),
        }
    }
}

impl NormalizationConfig {
    /// Refuses names of what does not exist: they would change nothing, and nobody would notice. `known` are the features that
    /// have numbers, each with the names of its dimensions.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all such names, and those that there are.
    pub fn check<'a>(&self, known: impl IntoIterator<Item = (&'a str, Vec<String>)>) -> Result<()> {
        const KINDS: &str = "data.normalization.features";
        const DIMENSIONS: &str = "data.normalization.identity_dimensions";
        let known: BTreeMap<&str, Vec<String>> = known.into_iter().collect();
        let features = known.keys().copied().collect::<Vec<_>>().join(", ");
        let of_kinds = self.features.keys().map(|name| (KINDS, name));
        let mut faults: Vec<String> = of_kinds
            .chain(self.identity_dimensions.keys().map(|name| (DIMENSIONS, name)))
            .filter(|(_, name)| !known.contains_key(name.as_str()))
            .map(|(key, name)| format!("{key}: no feature `{name}` (there are: {features})"))
            .collect();
        for (feature, names) in &self.identity_dimensions {
            let Some(dimensions) = known.get(feature.as_str()) else { continue };
            let there_are = dimensions.join(", ");
            faults.extend(
                names
                    .iter()
                    .filter(|name| !dimensions.contains(name))
                    .map(|name| format!("{DIMENSIONS}: no dimension `{name}` of `{feature}` (there are: {there_are})")),
            );
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Error::Invalid(faults.join("\n"))),
        }
    }

    /// Positions of the dimensions of `feature` whose scale the floor raises.
    ///
    /// # Errors
    /// Those of [`NormalizationConfig::build`].
    pub fn raised_dimensions(&self, feature: &str, dimensions: &[String], stats: &Stats) -> Result<Vec<usize>> {
        let unraised = NormalizationConfig { scale_floor: 0.0, ..self.clone() }.build(feature, dimensions, stats)?;
        Ok((0..dimensions.len()).filter(|&at| unraised.scale[at] < self.scale_floor).collect())
    }

    /// The normaliser of `feature`, whose dimensions are called `dimensions`.
    ///
    /// # Errors
    /// [`Error::MissingStatistics`] unless the feature's kind is identity, [`Error::NoSuch`] for an identity dimension
    /// that does not exist.
    pub fn build(&self, feature: &str, dimensions: &[String], stats: &Stats) -> Result<Normalizer> {
        let kind = self.features.get(feature).copied().unwrap_or(self.default);
        let mut normalizer = Normalizer::new(feature, kind, dimensions.len(), stats.get(feature), self.scale_floor)?;
        for name in self.identity_dimensions.get(feature).into_iter().flatten() {
            let at = dimensions.iter().position(|dimension| dimension == name).ok_or_else(|| Error::NoSuch {
                what: "dimension",
                name: name.clone(),
                known: dimensions.to_vec(),
                path: feature.into(),
            })?;
            normalizer.offset[at] = 0.0;
            normalizer.scale[at] = 1.0;
        }
        Ok(normalizer)
    }
}

/// `(x − offset) / scale` per dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalizer {
    /// Subtracted.
    pub offset: Vec<f64>,
    /// Divided by, at least the floor.
    pub scale: Vec<f64>,
}

impl Normalizer {
    /// A normaliser of one kind for a feature of `width` dimensions.
    ///
    /// # Errors
    /// [`Error::MissingStatistics`] if the kind needs statistics that are not there, [`Error::Size`] if they have another
    /// number of dimensions.
    pub fn new(
        feature: &str,
        kind: Normalization,
        width: usize,
        stats: Option<&FeatureStats>,
        scale_floor: f64,
    ) -> Result<Self> {
        if kind == Normalization::Identity {
            return Ok(Normalizer { offset: vec![0.0; width], scale: vec![1.0; width] });
        }
        let missing = |what: &str| Error::MissingStatistics { feature: feature.to_owned(), missing: what.to_owned() };
        let stats = stats.ok_or_else(|| missing("statistics"))?;
        let get = |values: &'_ [f64], name: &str| match values.len() {
            0 => Err(missing(name)),
            found if found == width => Ok(values.to_vec()),
            found => Err(Error::Size { what: format!("{name} of `{feature}`"), expected: width, found }),
        };
        let middle = |low: Vec<f64>, high: Vec<f64>| {
            let offset = low.iter().zip(&high).map(|(low, high)| (low + high) / 2.0).collect();
            let scale = low.iter().zip(&high).map(|(low, high)| (high - low) / 2.0).collect();
            (offset, scale)
        };
        let (offset, scale): (Vec<f64>, Vec<f64>) = match kind {
            Normalization::MeanStd => (get(&stats.mean, "mean")?, get(&stats.std, "std")?),
            Normalization::Quantile => middle(get(&stats.q01, "q01")?, get(&stats.q99, "q99")?),
            Normalization::MinMax => middle(get(&stats.min, "min")?, get(&stats.max, "max")?),
            Normalization::Identity => (vec![0.0; width], vec![1.0; width]),
        };
        if let Some(bad) = offset.iter().chain(&scale).find(|value| !value.is_finite()) {
            return Err(Error::Invalid(format!("the statistics of `{feature}` hold {bad}")));
        }
        let scale = scale.into_iter().map(|scale| scale.max(scale_floor)).collect();
        Ok(Normalizer { offset, scale })
    }

    /// Normalises rows, `[…, width]`, in place.
    pub fn normalize(&self, values: &mut [f64]) {
        self.each(values, |value, offset, scale| (value - offset) / scale);
    }

    /// Takes rows, `[…, width]`, back to their unit in place.
    pub fn unnormalize(&self, values: &mut [f64]) {
        self.each(values, |value, offset, scale| value * scale + offset);
    }

    fn each(&self, values: &mut [f64], change: impl Fn(f64, f64, f64) -> f64) {
        for row in values.chunks_mut(self.offset.len().max(1)) {
            for ((value, &offset), &scale) in row.iter_mut().zip(&self.offset).zip(&self.scale) {
                *value = change(*value, offset, scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{Rows, Values};
    use crate::stats::Collector;

    fn stats_of(values: &[f64], width: usize) -> Stats {
        let mut rows = Rows { length: values.len() / width, ..Default::default() };
        rows.insert("action", width, Values::F64(values.to_vec())).unwrap();
        let mut collector = Collector::default();
        collector.add_rows(&rows);
        collector.finish()
    }

    const KINDS: [Normalization; 4] =
        [Normalization::MeanStd, Normalization::Quantile, Normalization::MinMax, Normalization::Identity];

    #[test]
    fn a_constant_dimension_is_not_blown_up() {
        let stats = stats_of(&[1.0, 0.0, 1.0, 10.0], 2);
        for kind in KINDS {
            let normalizer = Normalizer::new("action", kind, 2, stats.get("action"), 1e-2).unwrap();
            let mut values = [1.5, 5.0];
            normalizer.normalize(&mut values);
            assert!(values[0].abs() <= 50.0, "{kind:?}: {values:?}");
        }
        let config = NormalizationConfig { scale_floor: 1e-2, ..Default::default() };
        let names = ["still".to_owned(), "moves".to_owned()];
        assert_eq!(config.raised_dimensions("action", &names, &stats).unwrap(), [0]);
        let identity = NormalizationConfig { default: Normalization::Identity, ..config };
        assert_eq!(identity.raised_dimensions("action", &names, &stats).unwrap(), [0; 0]);
    }

    #[test]
    fn missing_statistics_are_an_error_unless_identity_is_said() {
        let config = NormalizationConfig::default();
        let names = ["x".to_owned()];
        let error = config.build("action", &names, &Stats::new()).unwrap_err();
        assert!(matches!(error, Error::MissingStatistics { .. }), "{error}");

        let mut stats = stats_of(&[1.0, 2.0], 1);
        stats["action"].q01.clear();
        let mut quantile = config.clone();
        quantile.features.insert("action".into(), Normalization::Quantile);
        let error = quantile.build("action", &names, &stats).unwrap_err();
        assert!(error.to_string().contains("q01"), "{error}");

        let mut identity = config;
        identity.features.insert("action".into(), Normalization::Identity);
        assert!(identity.build("action", &names, &Stats::new()).is_ok());
    }

    #[test]
    fn a_gripper_can_stay_unchanged() {
        let mut config = NormalizationConfig::default();
        config.identity_dimensions.insert("action".into(), vec!["gripper".into()]);
        let names = ["x".to_owned(), "gripper".to_owned()];
        let normalizer = config.build("action", &names, &stats_of(&[1.0, -1.0, 3.0, 1.0], 2)).unwrap();
        let mut values = [3.0, 1.0];
        normalizer.normalize(&mut values);
        assert_eq!(values, [1.0, 1.0]);
        config.identity_dimensions.insert("action".into(), vec!["grip".into()]);
        assert!(matches!(config.build("action", &names, &stats_of(&[1.0, 2.0], 2)), Err(Error::NoSuch { .. })));
    }

    #[test]
    fn names_of_what_does_not_exist_are_refused() {
        let known =
            || [("action", vec!["x".to_owned(), "gripper".to_owned()]), ("observation.state", vec!["0".to_owned()])];
        let mut config = NormalizationConfig::default();
        config.features.insert("action".into(), Normalization::Quantile);
        config.identity_dimensions.insert("action".into(), vec!["gripper".into()]);
        config.check(known()).unwrap();

        config.features.insert("actions".into(), Normalization::Identity);
        config.identity_dimensions.insert("action".into(), vec!["gripper".into(), "grip".into()]);
        config.identity_dimensions.insert("state".into(), vec!["0".into()]);
        let message = config.check(known()).unwrap_err().to_string();
        assert_eq!(
            message.lines().collect::<Vec<_>>(),
            [
                "data.normalization.features: no feature `actions` (there are: action, observation.state)",
                "data.normalization.identity_dimensions: no feature `state` (there are: action, observation.state)",
                "data.normalization.identity_dimensions: no dimension `grip` of `action` (there are: x, gripper)",
            ]
        );
    }

    proptest! {
        #[test]
        fn the_way_back_is_exact(values in prop::collection::vec(-1e6_f64..1e6, 2..40), kind in 0..4_usize) {
            let stats = stats_of(&values, 1);
            let normalizer = Normalizer::new("action", KINDS[kind], 1, stats.get("action"), 1e-4).unwrap();
            let mut there_and_back = values.clone();
            normalizer.normalize(&mut there_and_back);
            normalizer.unnormalize(&mut there_and_back);
            for (before, after) in values.iter().zip(&there_and_back) {
                prop_assert!((before - after).abs() <= 1e-9 * (1.0 + before.abs()), "{before} {after}");
            }
        }
    }
}
