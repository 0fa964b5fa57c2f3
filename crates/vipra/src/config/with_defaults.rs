//! Configurations that other versions of the program wrote.

use serde_json::Value;

use super::Config;

/// Returns a stored configuration of some sections, in which keys of `now` that were not there yet are what they are by
/// default.
pub fn with_defaults(mut stored: Value, now: &Value) -> Value {
    let default = serde_json::to_value(Config::default()).unwrap_or_default();
    add_defaults(&mut stored, &default, now);
    stored
}

fn add_defaults(stored: &mut Value, default: &Value, now: &Value) {
    let (Value::Object(stored), Value::Object(now)) = (stored, now) else { return };
    for (key, now) in now {
        let default = default.get(key).unwrap_or(&Value::Null);
        match stored.get_mut(key) {
            Some(stored) => add_defaults(stored, default, now),
            None => {
                stored.insert(key.clone(), common_keys(default, now));
            }
        }
    }
}

/// Returns the keys of `value` that `now` has as well.
fn common_keys(value: &Value, now: &Value) -> Value {
    let (Value::Object(entries), Value::Object(now)) = (value, now) else { return value.clone() };
    let both = entries.iter().filter_map(|(key, value)| Some((key.clone(), common_keys(value, now.get(key)?))));
    Value::Object(both.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_were_not_there_yet_are_what_they_are_by_default() {
        let whole = serde_json::to_value(Config::default()).unwrap();
        let now =
            json!({ "data": whole["data"], "laq": whole["laq"], "tokenizer": { "text": whole["tokenizer"]["text"] } });
        let mut stored = now.clone();
        stored["laq"]["train"]["steps"] = json!(7);
        stored["laq"]["train"].as_object_mut().unwrap().remove("batch_size");
        stored["data"].as_object_mut().unwrap().remove("clip");
        stored.as_object_mut().unwrap().remove("tokenizer");
        let mut expected = now.clone();
        expected["laq"]["train"]["steps"] = json!(7);
        assert_eq!(with_defaults(stored, &now), expected);
    }

    #[test]
    fn what_somebody_named_is_not_made_up_and_not_forgotten() {
        let now = json!({ "recorded": { "one": { "size": 1 } }, "embedded": true });
        let found = with_defaults(json!({ "recorded": { "two": 2 } }), &now);
        assert_eq!(found, json!({ "recorded": { "one": null, "two": 2 }, "embedded": null }));
    }
}
