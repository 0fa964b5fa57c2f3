//! Where episodes begin: what is asked for, and what there is.

use anyhow::{Context, Result};
use vipra_eval::splits_named;
use vipra_sim::{Scenes, Split};

/// Returns the splits that names stand for, each once.
///
/// # Errors
/// A name that there is not.
pub fn splits(names: &[String]) -> Result<Vec<Split>> {
    let mut splits = Vec::new();
    for name in names {
        let found = splits_named(name).with_context(|| {
            let known = Split::ALL.map(Split::name).join(", ");
            format!("there is no split `{name}`; known are {known}, and unseen for all that are not seen")
        })?;
        let new: Vec<Split> = found.into_iter().filter(|split| !splits.contains(split)).collect();
        splits.extend(new);
    }
    Ok(splits)
}

/// Returns those of the splits that can be shown: said before the first episode, not when their turn comes. One that is not
/// called by its own name is left out where nobody asked for these scenes either.
///
/// # Errors
/// Why one that was asked for cannot be shown, or that none is left.
pub fn showable(splits: Vec<Split>, names: &[String], scenes: &Scenes, are_asked_for: bool) -> Result<Vec<Split>> {
    let mut kept = Vec::new();
    for split in splits {
        let name = split.name();
        match scenes.of(split).fault() {
            None => kept.push(split),
            Some(reason) if are_asked_for || names.iter().any(|asked| asked == name) => {
                anyhow::bail!("the split `{name}` cannot be shown: {reason}")
            }
            Some(reason) => tracing::warn!("skipping the split `{name}`: {reason}"),
        }
    }
    anyhow::ensure!(!kept.is_empty(), "none of the splits can be shown: {}", names.join(", "));
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use vipra_sim::TaskKind;

    use super::*;

    const FEW: [&str; 2] = ["red block", "yellow plate"];

    fn shown(names: &[&str], objects: &[&str], are_asked_for: bool) -> Result<Vec<Split>> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let objects = objects.iter().map(|name| name.parse().unwrap()).collect();
        let scenes = Scenes { tasks: vec![TaskKind::Put], objects, ..Scenes::default() };
        showable(splits(&names)?, &names, &scenes, are_asked_for)
    }

    #[test]
    fn what_cannot_be_shown_is_left_out_unless_it_is_asked_for() {
        let shown_or_reason =
            |names: &[&str], are_asked_for| shown(names, &FEW, are_asked_for).map_err(|error| error.to_string());
        let possible = Ok(vec![Split::Seen, Split::UnseenPositions]);
        assert_eq!(shown_or_reason(&["seen", "unseen"], false), possible);
        assert_eq!(shown_or_reason(&["seen", "unseen-positions", "seen"], true), possible);
        let by_name = ["unseen", "unseen-pairs"];
        for refused in [shown_or_reason(&by_name, false), shown_or_reason(&["seen", "unseen"], true)] {
            let reason = refused.unwrap_err();
            assert!(reason.contains("`unseen-pairs` cannot be shown"), "{reason}");
        }
    }

    #[test]
    fn new_objects_are_shown_where_they_are_asked_for() {
        let new = ["green block", "yellow plate"];
        assert_eq!(shown(&["unseen-pairs"], &new, true).unwrap(), [Split::UnseenPairs]);
        assert!(shown(&["seen", "unseen-pairs"], &new, true).is_err());
        assert_eq!(shown(&["seen", "unseen"], &[], true).unwrap(), Split::ALL);
    }

    #[test]
    fn no_split_at_all_is_refused() {
        let reason = shown(&["unseen"], &["red block", "blue block"], false).unwrap_err().to_string();
        assert_eq!(reason, "none of the splits can be shown: unseen");
        assert!(shown(&["sen"], &FEW, false).unwrap_err().to_string().contains("no split `sen`"));
    }
}
