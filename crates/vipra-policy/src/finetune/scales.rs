//! Dimensions that hardly vary, and scales that would blow others up.

use vipra_data::normalize::{Normalization, NormalizationConfig};
use vipra_data::stats::Stats;

use crate::Result;

/// How many scales a dimension may reach from its offset where the floor has raised its scale: what goes farther is motion,
/// which the scale does not know of, and not noise.
const MAX_RAISED_REACH: f64 = 100.0;

/// Which dimensions rest where they are in all demonstrations: constant ones, and those that hardly vary around something else
/// than zero.
///
/// # Errors
/// Those of [`NormalizationConfig::build`].
pub(super) fn resting_dimensions(
    normalization: &NormalizationConfig,
    feature: &str,
    names: &[String],
    stats: &Stats,
) -> Result<Vec<bool>> {
    let raised = normalization.raised_dimensions(feature, names, stats)?;
    let rests = |at: usize| {
        stats.get(feature).is_some_and(|stats| {
            let (min, max) = (stats.min[at], stats.max[at]);
            let never_zero = min > 0.0 || max < 0.0;
            is_constant(min, max, normalization) || (never_zero && raised.contains(&at))
        })
    };
    Ok((0..names.len()).map(rests).collect())
}

/// Whether values stay the same, but for what the floor of the scales makes small.
fn is_constant(min: f64, max: f64, normalization: &NormalizationConfig) -> bool {
    max - min <= 2.0 * normalization.scale_floor
}

/// Warns of scales that make hundreds of what a dimension does.
///
/// # Errors
/// Those of [`NormalizationConfig::build`].
pub(super) fn warn_of_scales(
    normalization: &NormalizationConfig,
    feature: &str,
    names: &[String],
    stats: &Stats,
) -> Result<()> {
    for warning in blown_up_dimensions(normalization, feature, names, stats)? {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// What is wrong with scales that make hundreds of what a dimension does, and what to set: where a dimension rests in nearly all
/// demonstrations, the floor stands in the place of its scale.
///
/// # Errors
/// Those of [`NormalizationConfig::build`].
fn blown_up_dimensions(
    normalization: &NormalizationConfig,
    feature: &str,
    names: &[String],
    stats: &Stats,
) -> Result<Vec<String>> {
    let Some(of_feature) = stats.get(feature) else { return Ok(Vec::new()) };
    let normalizer = normalization.build(feature, names, stats)?;
    let raised = normalization.raised_dimensions(feature, names, stats)?;
    let warnings = raised.into_iter().filter_map(|at| {
        let (min, max) = (of_feature.min[at], of_feature.max[at]);
        let reach = (max - normalizer.offset[at]).max(normalizer.offset[at] - min) / normalizer.scale[at];
        (reach > MAX_RAISED_REACH).then(|| {
            // What knows more of the rare values.
            let better = match of_feature.std[at] >= normalization.scale_floor {
                true => Normalization::MeanStd,
                false => Normalization::MinMax,
            };
            format!(
                "`{name}` of `{feature}` goes from {min} to {max}, {reach:.0} times its scale, which would be {scale} \
                 (data.normalization.scale_floor): add \"{name}\" to data.normalization.identity_dimensions.{key}, or set \
                 data.normalization.features.{key} = \"{better}\"",
                name = names[at],
                scale = normalizer.scale[at],
                key = toml_key(feature),
                better = kind_name(better),
            )
        })
    });
    Ok(warnings.collect())
}

/// The name of a feature as a key of a configuration.
fn toml_key(feature: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if feature.chars().all(is_bare) { feature.to_owned() } else { format!("\"{feature}\"") }
}

/// As a configuration says it.
fn kind_name(kind: Normalization) -> &'static str {
    match kind {
        Normalization::MeanStd => "mean-std",
        Normalization::Quantile => "quantile",
        Normalization::MinMax => "min-max",
        Normalization::Identity => "identity",
    }
}

#[cfg(test)]
mod tests {
    use vipra_data::stats::Collector;
    use vipra_data::{Rows, Values};

    use super::*;

    fn stats(feature: &str, values: Vec<f64>) -> Stats {
        let mut rows = Rows { length: values.len(), ..Rows::default() };
        rows.insert(feature, 1, Values::F64(values)).unwrap();
        let mut collector = Collector::default();
        collector.add_rows(&rows);
        collector.finish()
    }

    fn warnings(kind: Normalization, feature: &str, values: Vec<f64>) -> Vec<String> {
        let normalization = NormalizationConfig { default: kind, ..NormalizationConfig::default() };
        blown_up_dimensions(&normalization, feature, &["turn".to_owned()], &stats(feature, values)).unwrap()
    }

    /// `value` in one row of so many, and zero in the others.
    fn rarely(value: f64, rows: usize) -> Vec<f64> {
        (0..10 * rows).map(|at| if at % rows == 0 { value } else { 0.0 }).collect()
    }

    #[test]
    fn a_rare_turn_whose_scale_would_be_the_floor_is_named_with_what_to_set() {
        let message = &warnings(Normalization::Quantile, "action", rarely(0.05, 200))[0];
        for part in [
            "`turn` of `action` goes from 0 to 0.05, 500 times its scale",
            "data.normalization.features.action = \"mean-std\"",
            "add \"turn\" to data.normalization.identity_dimensions.action",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(warnings(Normalization::MeanStd, "action", rarely(0.05, 200)).is_empty());
        // A standard deviation of 0.02/√50 000.
        let message = &warnings(Normalization::MeanStd, "observation.state", rarely(0.02, 50_000))[0];
        assert!(message.contains("features.\"observation.state\" = \"min-max\""), "{message}");
        assert!(warnings(Normalization::MinMax, "observation.state", rarely(0.02, 50_000)).is_empty());
    }

    #[test]
    fn noise_constants_and_what_is_not_scaled_pass() {
        for kind in [Normalization::Quantile, Normalization::MeanStd, Normalization::MinMax] {
            assert!(warnings(kind, "action", vec![0.3; 100]).is_empty());
            assert!(warnings(kind, "action", rarely(0.0008, 200)).is_empty());
        }
        assert!(warnings(Normalization::Identity, "action", rarely(0.05, 200)).is_empty());
    }

    #[test]
    fn a_dimension_rests_if_it_stays_where_it_is_whatever_its_scale() {
        for kind in [Normalization::Quantile, Normalization::MeanStd, Normalization::Identity] {
            let normalization = NormalizationConfig { default: kind, ..NormalizationConfig::default() };
            let rests = |values| {
                let names = ["turn".to_owned()];
                resting_dimensions(&normalization, "action", &names, &stats("action", values)).unwrap()[0]
            };
            assert!(rests(vec![0.3; 50]) && rests(vec![0.3, 0.30001, 0.3]), "{kind:?}");
            assert!(!rests(rarely(0.05, 200)), "{kind:?}: what turns now and then does not go on turning");
        }
        let around = |rest: f64| rarely(0.0008, 200).into_iter().map(|value| rest + value).collect();
        let names = ["joint".to_owned()];
        for (rest, expected) in [(0.7, true), (0.0, false)] {
            let stats = stats("action", around(rest));
            let rests = resting_dimensions(&NormalizationConfig::default(), "action", &names, &stats).unwrap();
            assert_eq!(rests, [expected], "noise around {rest}");
        }
    }
}
