//! The resolved configuration.

use std::path::Path;

use maud::{Markup, html};

use crate::read::text;
use crate::{Error, Result, layout};

/// What the configuration wants readers to know before anything else (its `run.note`).
pub(super) fn note(run: &Path) -> Result<Option<String>> {
    let file = run.join(layout::CONFIG);
    let Some(text) = text(&file)? else { return Ok(None) };
    let configuration: toml::Table = text.parse().map_err(|error| Error::content(error, &file))?;
    let note = configuration.get("run").and_then(|section| section.get("note"));
    Ok(note.and_then(toml::Value::as_str).map(str::to_owned))
}

pub(super) fn body(run: &Path) -> Result<Option<Markup>> {
    Ok(text(&run.join(layout::CONFIG))?.map(|text| {
        html! {
            p {
                "What the run was last told, defaults included; as a file it makes the same run again. A stage that was not made "
                "since was told what stands in " code { (layout::STAGES) } "."
            }
            details { summary { (layout::CONFIG) ", " (text.lines().count()) " lines" } pre tabindex="0" { (text) } }
        }
    }))
}
