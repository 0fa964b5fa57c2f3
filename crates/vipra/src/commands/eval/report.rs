//! `vipra eval report`.

use anyhow::Result;
use serde_json::json;
use vipra_eval::summarize;

use super::run::write_page;
use super::{section, to_table};
use crate::cli::EvalReportArgs;
use crate::commands::Outcome;
use crate::output::{print, print_json};

pub fn run(args: &EvalReportArgs) -> Result<Outcome> {
    let sections = args.evaluations.iter().map(|path| section(path)).collect::<Result<Vec<_>>>()?;
    if let Some(out) = &args.out {
        write_page(out, &sections)?;
    }
    if args.json {
        let all = sections.iter().map(|section| {
            json!({ "title": section.title, "header": section.header, "summaries": summarize(&section.outcomes) })
        });
        return print_json(&all.collect::<Vec<_>>()).map(|()| Outcome::Done);
    }
    for section in &sections {
        print(&format!("{}\n{}\n", section.title, to_table(&summarize(&section.outcomes))))?;
    }
    Ok(Outcome::Done)
}
