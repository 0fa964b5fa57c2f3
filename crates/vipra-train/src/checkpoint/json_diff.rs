//! Differences between two JSON values.

use serde_json::Value;

/// Fields in which two JSON values differ: "path: value before, value now".
pub fn differences(before: &Value, now: &Value) -> Vec<String> {
    let told = |(path, before, now): (String, &Value, &Value)| format!("{path}: {before} before, {now} now");
    differing_fields(before, now).into_iter().map(told).collect()
}

/// The first few differences, and how many more there are: "a; b; 7 more".
pub fn first_of(differences: &[String]) -> String {
    const NAMED: usize = 5;
    let first = differences[..differences.len().min(NAMED)].join("; ");
    match differences.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first}; {more} more"),
    }
}

/// Fields in which two JSON values differ: path, value before, value now. What one of them lacks is null.
pub fn differing_fields<'a>(before: &'a Value, now: &'a Value) -> Vec<(String, &'a Value, &'a Value)> {
    type Found<'a> = Vec<(String, &'a Value, &'a Value)>;
    fn walk<'a>(path: &str, before: &'a Value, now: &'a Value, found: &mut Found<'a>) {
        match (before, now) {
            (Value::Object(left), Value::Object(right)) => {
                let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null), found);
                }
            }
            (before, now) if before != now => found.push((path.to_owned(), before, now)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", before, now, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_that_differs_is_named() {
        let before = json!({"model": {"dim": 128, "heads": 4}, "seed": 0});
        let now = json!({"model": {"dim": 64, "heads": 4}, "seed": 0, "new": true});
        assert_eq!(differences(&before, &now), ["model.dim: 128 before, 64 now", "new: null before, true now"]);
        assert!(differences(&now, &now).is_empty());
    }
}
