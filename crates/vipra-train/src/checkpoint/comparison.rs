//! Comparison of a checkpoint's configuration with the one that is wanted now.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::State;
use super::json_diff::differences;
use crate::{Error, Result};

/// Key of the fingerprints of the datasets, in the order of the sources. Earlier versions stored them by path, in no order.
const DATASETS: &str = "datasets";
/// Key of the path of a dataset, which may change.
const PATH: &str = "path";

/// Refuses a checkpoint of another configuration; the error lists the fields that differ.
pub(crate) fn check_configuration(checkpoint: &Path, state: &State, wanted: &Value) -> Result<()> {
    let fields = recipe_differences(&state.configuration, wanted);
    if fields.is_empty() {
        return Ok(());
    }
    Err(Error::Configuration { fields, path: checkpoint.to_path_buf() })
}

/// Differences in what a result depends on: not in the paths of data, nor, outside of `inputs`, in keys that only one has.
fn recipe_differences(before: &Value, now: &Value) -> Vec<String> {
    let in_order = !names_datasets_by_path(before) && !names_datasets_by_path(now);
    let (before, now) = (by_content(before, in_order), by_content(now, in_order));
    differences(&known_to(&now, &before), &known_to(&before, &now))
}

fn names_datasets_by_path(configuration: &Value) -> bool {
    match configuration {
        Value::Array(items) => items.iter().any(names_datasets_by_path),
        Value::Object(entries) => {
            entries.iter().any(|(key, value)| key == DATASETS && value.is_object() || names_datasets_by_path(value))
        }
        _ => false,
    }
}

/// A configuration without the paths of its data: datasets are told by their fingerprints, in their order or in none.
fn by_content(configuration: &Value, in_order: bool) -> Value {
    let inner = |(key, value): (&String, &Value)| {
        let value = if key == DATASETS && !in_order { unordered(value) } else { by_content(value, in_order) };
        (key.clone(), value)
    };
    match configuration {
        Value::Array(items) => items.iter().map(|item| by_content(item, in_order)).collect(),
        Value::Object(entries) => Value::Object(entries.iter().filter(|(key, _)| *key != PATH).map(inner).collect()),
        other => other.clone(),
    }
}

/// The fingerprints of datasets, stored by path or in order, as a set.
fn unordered(datasets: &Value) -> Value {
    let contents: BTreeSet<String> = match datasets {
        Value::Object(by_path) => by_path.values().map(Value::to_string).collect(),
        Value::Array(contents) => contents.iter().map(Value::to_string).collect(),
        other => return other.clone(),
    };
    contents.into_iter().collect()
}

/// The entries of a configuration whose keys another one has as well, and all of its `inputs`. A key that only one of two
/// versions of the program knows is left to the caller, who has the defaults.
fn known_to(other: &Value, configuration: &Value) -> Value {
    let (Value::Object(entries), Value::Object(other)) = (configuration, other) else { return configuration.clone() };
    let known = entries.iter().filter_map(|(key, value)| match (key.as_str(), other.get(key)) {
        ("inputs", _) => Some((key.clone(), value.clone())),
        (_, other) => Some((key.clone(), known_to(other?, value))),
    });
    Value::Object(known.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The configuration of a training on sources of (path, weight, fingerprint).
    fn trained(sources: &[(&str, f64, &str)]) -> Value {
        let told = sources.iter().map(|(path, weight, _)| json!({ "path": path, "weight": weight }));
        let contents = sources.iter().map(|(_, _, content)| *content);
        json!({
            "data": { "sources": told.collect::<Vec<_>>() },
            "inputs": { "datasets": contents.collect::<Vec<_>>() },
        })
    }

    /// The same in the form of an earlier version.
    fn trained_by_path(sources: &[(&str, f64, &str)]) -> Value {
        let mut configuration = trained(sources);
        let by_path = sources.iter().map(|(path, _, content)| ((*path).to_owned(), json!(content))).collect();
        configuration["inputs"]["datasets"] = Value::Object(by_path);
        configuration
    }

    #[test]
    fn data_may_be_moved_but_not_changed() {
        let before = trained(&[("/here", 1.0, "a")]);
        assert_eq!(recipe_differences(&before, &trained(&[("/there", 1.0, "a")])), [""; 0]);
        assert_eq!(recipe_differences(&before, &trained(&[("/here", 2.0, "a")])).len(), 1);
        assert_eq!(
            recipe_differences(&before, &trained(&[("/here", 1.0, "b")])),
            [r#"inputs.datasets: ["a"] before, ["b"] now"#]
        );
    }

    #[test]
    fn data_keep_their_order_and_their_weights() {
        let before = trained(&[("/one", 1.0, "a"), ("/two", 2.0, "b")]);
        assert_eq!(recipe_differences(&before, &trained(&[("/1", 1.0, "a"), ("/2", 2.0, "b")])), [""; 0]);
        for swapped in [[("/two", 1.0, "b"), ("/one", 2.0, "a")], [("/one", 1.0, "b"), ("/two", 2.0, "a")]] {
            let differences = recipe_differences(&before, &trained(&swapped));
            assert_eq!(differences, [r#"inputs.datasets: ["a","b"] before, ["b","a"] now"#]);
        }
    }

    #[test]
    fn data_of_an_earlier_version_are_compared_in_no_order() {
        let sources = [("/z", 1.0, "a"), ("/b", 1.0, "b"), ("/z", 1.0, "a")];
        let before = trained_by_path(&sources);
        assert_eq!(recipe_differences(&before, &trained(&sources)), [""; 0]);
        assert_eq!(recipe_differences(&before, &trained_by_path(&sources)), [""; 0]);
        let others = recipe_differences(&before, &trained(&[("/z", 1.0, "a"), ("/b", 1.0, "c"), ("/z", 1.0, "a")]));
        assert_eq!(others.len(), 1, "{others:?}");
    }
}
