//! Statistics of features: exact, from all rows.

mod collector;
mod quantile;

use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use collector::Collector;
pub(crate) use collector::Histograms;

use crate::error::{Error, Result};
use crate::feature::Features;
use quantile::quantile;

/// Statistics of every feature that has some.
pub type Stats = IndexMap<String, FeatureStats>;

/// Statistics of one feature; every list has one entry a dimension (a channel, for pictures, whose values are in
/// [0, 1]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureStats {
    /// Rows, or pictures.
    pub count: usize,
    /// Smallest value.
    pub min: Vec<f64>,
    /// Largest value.
    pub max: Vec<f64>,
    /// Arithmetic mean.
    pub mean: Vec<f64>,
    /// Population standard deviation.
    pub std: Vec<f64>,
    /// 1 % quantile, interpolated linearly between values as numpy does.
    pub q01: Vec<f64>,
    /// 10 % quantile.
    pub q10: Vec<f64>,
    /// Median.
    pub q50: Vec<f64>,
    /// 90 % quantile.
    pub q90: Vec<f64>,
    /// 99 % quantile.
    pub q99: Vec<f64>,
}

impl FeatureStats {
    /// The statistics by their LeRobot names, without the count.
    pub fn named(&self) -> [(&'static str, &[f64]); 9] {
        [
            ("min", &self.min),
            ("max", &self.max),
            ("mean", &self.mean),
            ("std", &self.std),
            ("q01", &self.q01),
            ("q10", &self.q10),
            ("q50", &self.q50),
            ("q90", &self.q90),
            ("q99", &self.q99),
        ]
    }

    /// Statistics of weighted values, one list a dimension; the lists are made, sorted and dropped one by one.
    fn of(count: usize, dimensions: impl IntoIterator<Item = Vec<(f64, usize)>>) -> Self {
        let mut stats = FeatureStats {
            count,
            min: vec![],
            max: vec![],
            mean: vec![],
            std: vec![],
            q01: vec![],
            q10: vec![],
            q50: vec![],
            q90: vec![],
            q99: vec![],
        };
        for mut values in dimensions {
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            let total: usize = values.iter().map(|(_, weight)| weight).sum();
            let mean = values.iter().map(|(value, weight)| value * *weight as f64).sum::<f64>() / total as f64;
            let squares = values.iter().map(|(value, weight)| (value - mean).powi(2) * *weight as f64);
            stats.mean.push(mean);
            stats.std.push((squares.sum::<f64>() / total as f64).sqrt());
            stats.min.push(values.first().map_or(f64::NAN, |(value, _)| *value));
            stats.max.push(values.last().map_or(f64::NAN, |(value, _)| *value));
            stats.q01.push(quantile(&values, total, 0.01));
            stats.q10.push(quantile(&values, total, 0.10));
            stats.q50.push(quantile(&values, total, 0.50));
            stats.q90.push(quantile(&values, total, 0.90));
            stats.q99.push(quantile(&values, total, 0.99));
        }
        stats
    }

    /// As in `meta/stats.json`: lists of the feature's shape.
    pub fn to_json(&self, shape: &[usize]) -> Value {
        let mut map = serde_json::Map::new();
        for (name, values) in self.named() {
            map.insert(name.to_owned(), nested(values, shape));
        }
        map.insert("count".to_owned(), json!([self.count]));
        Value::Object(map)
    }
}

fn nested(values: &[f64], shape: &[usize]) -> Value {
    match shape {
        [] | [_] => json!(values),
        [outer, inner @ ..] => {
            let size = values.len() / (*outer).max(1);
            Value::Array(values.chunks(size.max(1)).map(|part| nested(part, inner)).collect())
        }
    }
}

/// The shape of a picture's statistics in LeRobot's files.
const PICTURE_SHAPE: [usize; 3] = [3, 1, 1];

/// All statistics as `meta/stats.json` holds them.
pub fn to_json(stats: &Stats, features: &Features) -> Value {
    let entry = |(name, stats): (&String, &FeatureStats)| {
        let feature = features.get(name);
        let shape = match feature {
            Some(feature) if feature.dtype.is_camera() => &PICTURE_SHAPE[..],
            Some(feature) => &feature.shape,
            None => &[],
        };
        (name.clone(), stats.to_json(shape))
    };
    Value::Object(stats.iter().map(entry).collect())
}

/// Reads `meta/stats.json`; statistics that a file lacks (older ones have no quantiles) come back empty.
///
/// # Errors
/// [`Error::Io`], [`Error::Metadata`] with the feature.
pub fn read(path: &Path) -> Result<Stats> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let map: IndexMap<String, Value> = serde_json::from_str(&text).map_err(|error| Error::json(path, &error))?;
    let list = |feature: &str, value: &Value, name: &str| -> Result<Vec<f64>> {
        let mut numbers = Vec::new();
        match value.get(name) {
            None => Ok(numbers),
            Some(list) if flatten(list, &mut numbers) => Ok(numbers),
            Some(other) => Err(Error::metadata(path, format!("{feature}.{name}"), format!("{other} is not numbers"))),
        }
    };
    map.iter()
        .map(|(feature, value)| {
            let get = |name| list(feature, value, name);
            let stats = FeatureStats {
                count: get("count")?.first().map_or(0, |&count| count as usize),
                min: get("min")?,
                max: get("max")?,
                mean: get("mean")?,
                std: get("std")?,
                q01: get("q01")?,
                q10: get("q10")?,
                q50: get("q50")?,
                q90: get("q90")?,
                q99: get("q99")?,
            };
            Ok((feature.clone(), stats))
        })
        .collect()
}

fn flatten(value: &Value, into: &mut Vec<f64>) -> bool {
    match value {
        Value::Array(list) => list.iter().all(|entry| flatten(entry, into)),
        Value::Bool(flag) => {
            into.push(f64::from(u8::from(*flag)));
            true
        }
        other => other.as_f64().map(|number| into.push(number)).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_shape_of_the_feature() {
        let stats = FeatureStats::of(1, [vec![(0.5, 1)], vec![(0.25, 1)], vec![(1.0, 1)]]);
        assert_eq!(stats.to_json(&[3, 1, 1])["mean"], json!([[[0.5]], [[0.25]], [[1.0]]]));
        assert_eq!(stats.to_json(&[3])["max"], json!([0.5, 0.25, 1.0]));
    }
}
