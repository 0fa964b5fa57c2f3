//! Looks things up in the JSON schema of the configuration.

use serde_json::Value;

use super::Config;

/// The schema of [`Config`], from its types and doc comments.
pub fn of_config() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Follows `$ref`, and `anyOf` with null, to what describes the value.
pub fn resolve<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    if let Some(target) = node.get("$ref").and_then(Value::as_str) {
        let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.map_or(node, |found| resolve(root, found));
    }
    let optional = node.get("anyOf").and_then(Value::as_array);
    match optional.and_then(|cases| cases.iter().find(|case| case.get("type") != Some(&Value::from("null")))) {
        Some(case) => resolve(root, case),
        None => node,
    }
}

/// The schema of the value at `path`, as far as there is one.
pub fn at<'a>(root: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(resolve(root, root), |node, step| inner(root, node, step))
}

/// The schema of an entry of a section or list.
pub fn inner<'a>(root: &'a Value, node: &'a Value, step: &str) -> Option<&'a Value> {
    let node = resolve(root, node);
    let inner = match node.get("properties").and_then(|properties| properties.get(step)) {
        Some(property) => property,
        None => node.get("items").or_else(|| node.get("additionalProperties").filter(|inner| inner.is_object()))?,
    };
    Some(resolve(root, inner))
}

/// Whether a section is one of several, of which each has keys of its own.
pub fn is_choice(node: &Value) -> bool {
    node.get("oneOf").is_some()
}

/// The names that are valid in a section.
pub fn names(node: &Value) -> Vec<String> {
    let properties = node.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

/// The values that are valid, where there is a closed list of them.
pub fn choices(node: &Value) -> Vec<String> {
    let listed = node.get("enum").and_then(Value::as_array).into_iter().flatten();
    let described = node.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let single = described.flat_map(|case| {
        let several = case.get("enum").and_then(Value::as_array).into_iter().flatten();
        case.get("const").into_iter().chain(several)
    });
    listed.chain(single).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The doc comment of the property `name` of a section, on one line, and the values to choose from.
pub fn description(root: &Value, section: &Value, name: &str) -> Option<String> {
    let property = section.get("properties")?.get(name)?;
    let resolved = resolve(root, property);
    let text = property.get("description").or_else(|| resolved.get("description"))?;
    let text = text.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
    match choices(resolved) {
        choices if choices.is_empty() => Some(text),
        choices => Some(format!("{text} One of: {}.", choices.join(", "))),
    }
}
