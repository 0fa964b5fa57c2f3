//! Presets and files, and files that stand on others.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::faults::{Fault, Faults};
use super::schema;

/// Presets that are part of the program; a file of the same name wins.
pub const PRESETS: [(&str, &str); 5] = [
    ("tiny", include_str!("../../../../configs/tiny.toml")),
    ("small", include_str!("../../../../configs/small.toml")),
    ("vipra-7b", include_str!("../../../../configs/vipra-7b.toml")),
    ("simpler", include_str!("../../../../configs/simpler.toml")),
    ("demo-quick", include_str!("../../../../configs/demo-quick.toml")),
];

/// The key by which a file names the preset or file that it changes; the file's keys win.
const BASE: &str = "base";
/// The keys of its base that a file does without: they are what they are by default.
const UNSET: &str = "unset";
/// Files that may stand behind each other by [`BASE`].
const MOST_BASES: usize = 8;

/// The name of what was read, and its keys over those of its base.
///
/// # Errors
/// That a file cannot be read, or [`Faults`] if one is no TOML.
pub fn read_with_base(name: Option<&str>) -> Result<(String, Table)> {
    let (origin, mut table) = read_table(name)?;
    let (mut last, mut folder) = (origin.clone(), folder_of(name));
    let merging = Merging::of_config();
    for _ in 0..MOST_BASES {
        let unset = table.remove(UNSET);
        let base = match table.remove(BASE) {
            None if unset.is_some() => return Err(fault(&last, UNSET, "is for files with a `base`").into()),
            None => return Ok((origin, table)),
            Some(Value::String(base)) => base,
            Some(_) => return Err(fault(&last, BASE, "should be a text: the name of a preset or file").into()),
        };
        // A file beside the one that names it, else what the command line would find.
        let beside = folder.join(&base);
        let base = if beside.is_file() { beside.display().to_string() } else { base };
        let (base_origin, mut below) =
            read_table(Some(&base)).with_context(|| format!("reading the base of {last}"))?;
        if let Some(unset) = unset {
            remove_all(&mut below, &unset).map_err(|reason| fault(&last, UNSET, &reason))?;
        }
        table = merging.merged(below, table);
        (last, folder) = (base_origin, folder_of(Some(&base)));
    }
    Err(fault(&origin, BASE, &format!("more than {MOST_BASES} files stand behind each other")).into())
}

fn fault(origin: &str, key: &str, reason: &str) -> Faults {
    Faults { origin: origin.to_owned(), list: vec![Fault { key: key.to_owned(), reason: reason.to_owned() }] }
}

/// Takes keys such as `finetune.action.gripper` out.
fn remove_all(table: &mut Table, unset: &Value) -> Result<(), String> {
    let keys: Option<Vec<&str>> = unset.as_array().and_then(|keys| keys.iter().map(Value::as_str).collect());
    for key in keys.ok_or("should be a list of keys, such as [\"finetune.action.gripper\"]")? {
        let (sections, last) = key.rsplit_once('.').map_or((None, key), |(sections, last)| (Some(sections), last));
        let mut sections = sections.into_iter().flat_map(|sections| sections.split('.'));
        let section = sections.try_fold(&mut *table, |table, name| table.get_mut(name)?.as_table_mut());
        section.and_then(|section| section.remove(last)).ok_or_else(|| format!("`{key}` is not set by the base"))?;
    }
    Ok(())
}

fn folder_of(name: Option<&str>) -> PathBuf {
    name.and_then(|name| Path::new(name).parent()).map(Path::to_path_buf).unwrap_or_default()
}

/// Keys over others: sections are merged, of everything else the upper one counts.
pub struct Merging {
    schema: serde_json::Value,
}

impl Merging {
    /// By the sections of [`Config`](super::Config).
    pub fn of_config() -> Self {
        Self { schema: schema::of_config() }
    }

    /// `above` over `below`.
    pub fn merged(&self, below: Table, above: Table) -> Table {
        self.merged_at(&self.schema, below, above)
    }

    fn merged_at(&self, node: &serde_json::Value, mut below: Table, above: Table) -> Table {
        if schema::is_choice(node) && !below.keys().eq(above.keys()) {
            return above;
        }
        for (key, value) in above {
            let value = match (below.remove(&key), value) {
                (Some(Value::Table(below)), Value::Table(above)) => {
                    let inner = schema::inner(&self.schema, node, &key).unwrap_or(&serde_json::Value::Null);
                    Value::Table(self.merged_at(inner, below, above))
                }
                (_, value) => value,
            };
            below.insert(key, value);
        }
        below
    }
}

fn read_table(name: Option<&str>) -> Result<(String, Table)> {
    let (origin, text) = read(name)?;
    let table = text.parse().map_err(|error: toml::de::Error| {
        let list = vec![Fault { key: "(syntax)".into(), reason: error.to_string() }];
        Faults { origin: origin.clone(), list }
    })?;
    Ok((origin, table))
}

/// The name of what was read, and its text.
fn read(name: Option<&str>) -> Result<(String, String)> {
    let Some(name) = name else { return Ok(("--set".into(), String::new())) };
    if let Some((preset, text)) = PRESETS.iter().find(|(preset, _)| *preset == name && !Path::new(name).is_file()) {
        return Ok((format!("the preset {preset}"), (*text).to_owned()));
    }
    let text = std::fs::read_to_string(name).with_context(|| {
        let presets = PRESETS.map(|(preset, _)| preset).join(", ");
        format!("no configuration file and no preset ({presets}): {name}")
    })?;
    Ok((name.to_owned(), text))
}
