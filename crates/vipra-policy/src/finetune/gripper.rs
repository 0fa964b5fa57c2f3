//! The gripper among the dimensions of an action.

use vipra_control::Gripper;
use vipra_data::normalize::NormalizationConfig;

use super::config::FinetuneConfig;
use super::numbers::DemonstrationSource;
use crate::{Error, Result};

/// How far a gripper may go beyond open and closed, as a share of the way between them.
const GRIPPER_SLACK: f64 = 0.1;

/// The normalisation in which the gripper stays unchanged, checked for names that no dataset has.
///
/// # Errors
/// [`Error::Data`] with such names; [`Error::Invalid`] if the gripper's is one.
pub(super) fn with_gripper(
    normalization: &NormalizationConfig,
    sources: &[DemonstrationSource],
    config: &FinetuneConfig,
    names: &[String],
) -> Result<NormalizationConfig> {
    let features = sources.iter().flat_map(|source| &source.source.description().features);
    let numeric = features.filter(|(_, feature)| feature.dtype.is_numeric());
    normalization.check(numeric.map(|(name, feature)| (name.as_str(), feature.dimension_names())))?;
    let mut normalization = normalization.clone();
    if let Some(gripper) = &config.action.gripper {
        if !names.contains(&gripper.dimension) {
            return Err(Error::Invalid(format!(
                "there is no dimension `{}` among those of an action ({}): set finetune.action.gripper, or unset it for a robot \
                 without a gripper",
                gripper.dimension,
                names.join(", ")
            )));
        }
        let kept = normalization.identity_dimensions.entry(config.action.feature.clone()).or_default();
        if !kept.contains(&gripper.dimension) {
            kept.push(gripper.dimension.clone());
        }
    }
    Ok(normalization)
}

/// That the gripper moves in another range than it is said to: a policy would never close it, or half.
pub(super) fn gripper_fault(gripper: &Gripper, least: f64, most: f64) -> Option<String> {
    let Gripper { dimension, open, closed } = gripper;
    let (low, high) = (open.min(*closed), open.max(*closed));
    let slack = GRIPPER_SLACK * (high - low);
    let fits = least >= low - slack && most <= high + slack && most - least >= (high - low) / 2.0;
    (!fits).then(|| {
        format!(
            "`{dimension}` is said to be {open} where the gripper is open and {closed} where it is closed, and goes from {least} to \
             {most} in the demonstrations"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault([open, closed]: [f64; 2], [least, most]: [f64; 2]) -> Option<String> {
        gripper_fault(&Gripper { dimension: "gripper".to_owned(), open, closed }, least, most)
    }

    #[test]
    fn a_gripper_that_moves_otherwise_than_said_is_found() {
        assert_eq!(fault([1.0, -1.0], [-1.0, 1.0]), None);
        assert_eq!(fault([0.0, 1.0], [0.05, 1.04]), None);
        assert!(fault([1.0, 0.0], [-1.0, 1.0]).unwrap().contains("goes from -1 to 1 in the demonstrations"));
        assert!(fault([1.0, -1.0], [0.0, 0.04]).is_some(), "metres, for instance");
    }
}
