//! Presets and files, and files that stand on others.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::faults::{Fault, Faults, nearest};
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
    let mut without: Vec<Unset> = Vec::new();
    for _ in 0..MOST_BASES {
        if let Some(unset) = table.remove(UNSET) {
            if !table.contains_key(BASE) {
                return Err(fault(&last, UNSET, "is for files with a `base`").into());
            }
            without.extend(Unset::read(&unset, &last)?);
        }
        let base = match table.remove(BASE) {
            None => {
                let unknown = without.iter().find(|unset| !unset.is_found);
                let reason = |unset: &Unset| format!("`{}` is not set by the base", unset.key);
                return unknown
                    .map_or(Ok((origin, table)), |unset| Err(fault(&unset.by, UNSET, &reason(unset)).into()));
            }
            Some(Value::String(base)) => base,
            Some(_) => return Err(fault(&last, BASE, "should be text: the name of a preset or file").into()),
        };
        // A file beside the one that names it, else what the command line would find.
        let beside = folder.join(&base);
        let base = if beside.is_file() { beside.display().to_string() } else { base };
        if !is_there(&base) {
            return Err(fault(&last, BASE, &nothing_named(&base)).into());
        }
        let (base_origin, mut below) =
            read_table(Some(&base)).with_context(|| format!("reading the base of {last}"))?;
        // What one of these files sets again stands above.
        without.iter_mut().for_each(|unset| unset.is_found |= remove(&mut below, &unset.key));
        table = merging.merged(below, table);
        (last, folder) = (base_origin, folder_of(Some(&base)));
    }
    Err(fault(&origin, BASE, &format!("more than {MOST_BASES} files build on one another")).into())
}

fn fault(origin: &str, key: &str, reason: &str) -> Faults {
    Faults { origin: origin.to_owned(), list: vec![Fault { key: key.to_owned(), reason: reason.to_owned() }] }
}

/// A key that a file does without, of all that stand below it.
struct Unset {
    key: String,
    /// The file.
    by: String,
    /// Whether one below it has the key.
    is_found: bool,
}

impl Unset {
    fn read(keys: &Value, by: &str) -> Result<Vec<Self>, Faults> {
        let texts = keys.as_array().and_then(|keys| keys.iter().map(|key| key.as_str()).collect::<Option<Vec<&str>>>());
        let texts =
            texts.ok_or_else(|| fault(by, UNSET, "should be a list of keys, such as [\"finetune.action.gripper\"]"))?;
        let unset = |key: &str| Self { key: key.to_owned(), by: by.to_owned(), is_found: false };
        Ok(texts.into_iter().map(unset).collect())
    }
}

/// Takes a key such as `finetune.action.gripper` out. Whether it was there.
fn remove(table: &mut Table, key: &str) -> bool {
    let (sections, last) = key.rsplit_once('.').map_or((None, key), |(sections, last)| (Some(sections), last));
    let mut sections = sections.into_iter().flat_map(|sections| sections.split('.'));
    let section = sections.try_fold(table, |table, name| table.get_mut(name)?.as_table_mut());
    section.is_some_and(|section| section.remove(last).is_some())
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
    anyhow::ensure!(is_there(name), "{}", nothing_named(name));
    let text = std::fs::read_to_string(name).with_context(|| format!("reading the configuration {name}"))?;
    Ok((name.to_owned(), text))
}

/// Whether a file or a preset is called so.
fn is_there(name: &str) -> bool {
    Path::new(name).exists() || PRESETS.iter().any(|(preset, _)| *preset == name)
}

/// That nothing is, with the preset that may be meant.
fn nothing_named(name: &str) -> String {
    let presets = PRESETS.map(|(preset, _)| preset.to_owned());
    let suggestion = nearest(name, &presets).map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
    format!("`{name}` is no configuration file and no preset ({}){suggestion}", presets.join(", "))
}
