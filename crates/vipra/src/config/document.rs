//! A configuration as TOML, with the doc comment over each key.

use anyhow::{Context, Result};
use serde_json::Value as Schema;
use toml::{Table, Value};

use super::{Config, schema};

/// Renders the whole configuration.
///
/// # Errors
/// If a value has no form in TOML.
pub fn to_toml(config: &Config) -> Result<String> {
    let root = schema::of_config();
    let table = Table::try_from(config).context("the configuration has no form in TOML")?;
    let mut text = String::new();
    render(&root, &root, &table, "", &mut text)?;
    Ok(text.trim_start().to_owned())
}

/// Plain values first, then keys without a value, then sections: after a section's header, keys belong to it.
fn render(root: &Schema, section: &Schema, table: &Table, prefix: &str, text: &mut String) -> Result<()> {
    for (name, value) in table.iter().filter(|(_, value)| !is_section(value)) {
        text.push_str(&comment(root, section, name));
        let mut single = Table::new();
        single.insert(name.clone(), value.clone());
        text.push_str(&toml::to_string(&single)?);
    }
    for name in schema::names(section).iter().filter(|name| !table.contains_key(*name)) {
        text.push_str(&format!("{}# {name} = …  (not set)\n", comment(root, section, name)));
    }
    for (name, value) in table.iter().filter(|(_, value)| is_section(value)) {
        let path = format!("{prefix}{}", quoted(name)?);
        let inner = inner_schema(root, section, name);
        let comment = comment(root, section, name);
        match value {
            Value::Table(inner_table) => {
                text.push_str(&format!("\n{comment}[{path}]\n"));
                render(root, inner, inner_table, &format!("{path}."), text)?;
            }
            Value::Array(list) => {
                let item = inner.get("items").map_or(inner, |item| schema::resolve(root, item));
                for entry in list.iter().filter_map(Value::as_table) {
                    text.push_str(&format!("\n{comment}[[{path}]]\n"));
                    render(root, item, entry, &format!("{path}."), text)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a key means, on a line of its own.
fn comment(root: &Schema, section: &Schema, name: &str) -> String {
    schema::description(root, section, name).map_or(String::new(), |text| format!("# {text}\n"))
}

fn is_section(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(list) => !list.is_empty() && list.iter().all(Value::is_table),
        _ => false,
    }
}

fn inner_schema<'a>(root: &'a Schema, section: &'a Schema, name: &str) -> &'a Schema {
    let inner = section.get("properties").and_then(|properties| properties.get(name));
    inner.map_or(&Schema::Null, |inner| schema::resolve(root, inner))
}

/// A key as it stands in a header.
fn quoted(name: &str) -> Result<String> {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { Ok(name.to_owned()) } else { serde_json::to_string(name).context("a key cannot be quoted") }
}
