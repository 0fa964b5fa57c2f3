//! The resolved configuration.

use std::path::Path;

use maud::{Markup, html};

use crate::read::text;
use crate::{Result, layout};

pub(super) fn body(run: &Path) -> Result<Option<Markup>> {
    Ok(text(&run.join(layout::CONFIG))?.map(|text| {
        html! {
            p { "Everything that the stages were told, defaults included; as a file it makes the same run again." }
            details { summary { (layout::CONFIG) ", " (text.lines().count()) " lines" } pre tabindex="0" { (text) } }
        }
    }))
}
