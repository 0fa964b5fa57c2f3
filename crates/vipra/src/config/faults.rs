//! Everything that is wrong with a configuration, all at once.

use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::schema;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The path of the key, such as `data.clip.frames`.
    pub key: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

/// All faults of one configuration.
#[derive(Debug)]
pub struct Faults {
    /// The file, or what stands for it.
    pub origin: String,
    /// At least one.
    pub list: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        write!(formatter, "{count} {} in {}", if count == 1 { "fault" } else { "faults" }, self.origin)?;
        self.list.iter().try_for_each(|fault| write!(formatter, "\n  {}: {}", fault.key, fault.reason))
    }
}

impl std::error::Error for Faults {}

/// Holds `value` against the schema.
pub fn find(value: &Value) -> anyhow::Result<Vec<Fault>> {
    let root = schema::of_config();
    let validator = jsonschema::validator_for(&root).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut faults: Vec<Fault> = validator.iter_errors(value).flat_map(|error| explain(&root, &error)).collect();
    faults.sort();
    faults.dedup();
    Ok(faults)
}

fn explain(root: &Value, error: &ValidationError<'_>) -> Vec<Fault> {
    let path: Vec<String> = error
        .instance_path()
        .as_str()
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect();
    let node = schema::at(root, &path).unwrap_or(&Value::Null);
    let key = path.join(".");
    let found = error.instance();
    let reason = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = schema::names(node);
            let inside = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            let fault = |name| Fault { key: inside(name), reason: format!("unknown key{}", suggestion(name, &known)) };
            return unexpected.iter().map(fault).collect();
        }
        ValidationErrorKind::Required { property } => format!("needs {property}"),
        ValidationErrorKind::Type { .. } => format!("{found} should be {}", kind(node)),
        ValidationErrorKind::Minimum { limit } => format!("{found} is less than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("{found} is more than {limit}"),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }
            if found.is_object() =>
        {
            return of_alternatives(root, error, context);
        }
        _ => match (schema::choices(node), found.as_str()) {
            (choices, Some(text)) if !choices.is_empty() => {
                format!("{found} is not known{}", suggestion(text, &choices))
            }
            (choices, None) if !choices.is_empty() => format!("{found} is not one of {}", choices.join(", ")),
            _ => format!("{found} should be {}", kind(node)),
        },
    };
    vec![Fault { key, reason }]
}

/// The faults of that alternative which comes nearest to what was found: it fails inside, not as a whole.
fn of_alternatives(root: &Value, error: &ValidationError<'_>, context: &[Vec<ValidationError<'_>>]) -> Vec<Fault> {
    let is_outer = |fault: &&ValidationError<'_>| {
        fault.instance_path() == error.instance_path()
            && !matches!(fault.kind(), ValidationErrorKind::AdditionalProperties { .. })
    };
    let nearest = context.iter().min_by_key(|faults| (faults.iter().filter(is_outer).count(), faults.len()));
    nearest.into_iter().flatten().flat_map(|fault| explain(root, fault)).collect()
}

/// What kind of value a schema asks for, in words.
fn kind(node: &Value) -> String {
    let one = |name: &str| match name {
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a table ([section])".to_owned(),
        other => other.to_owned(),
    };
    match node.get("type") {
        Some(Value::String(name)) => one(name),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.map(one).collect::<Vec<_>>().join(" or ")
        }
        _ => {
            let cases = node.get("oneOf").and_then(Value::as_array).into_iter().flatten();
            let tables: Vec<String> = cases.filter_map(example).collect();
            match tables.is_empty() {
                true => "something else".to_owned(),
                false => format!("a table, such as {}", tables.join(" or ")),
            }
        }
    }
}

/// A table with the keys of a schema, such as `{first = {actions = …}}`; None if it has none.
fn example(node: &Value) -> Option<String> {
    let properties = node.get("properties")?.as_object()?;
    let entries = properties.iter().map(|(name, property)| match property.get("const") {
        Some(constant) => format!("{name} = {constant}"),
        None => format!("{name} = {}", example(property).unwrap_or_else(|| "…".to_owned())),
    });
    Some(format!("{{{}}}", entries.collect::<Vec<_>>().join(", ")))
}

/// The nearest valid name, or all of them if none is near.
fn suggestion(name: &str, known: &[String]) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; valid are {}", known.join(", ")),
    }
}

/// The one of some names that may be meant.
pub(super) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let nearest = known.iter().max_by(|a, b| similarity(name, a).total_cmp(&similarity(name, b)));
    nearest.filter(|nearest| similarity(name, nearest) > 0.7)
}

fn similarity(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_lowercase(), b)
}
