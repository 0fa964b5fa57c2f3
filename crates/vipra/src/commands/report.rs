//! `vipra report`.

use anyhow::{Context, Result};

use super::Outcome;
use crate::cli::RunReportArgs;
use crate::output::print;

pub fn run(args: &RunReportArgs) -> Result<Outcome> {
    let page = vipra_report::write(&args.run)?;
    let bytes = std::fs::metadata(&page).with_context(|| format!("reading {}", page.display()))?.len();
    print(&format!("written to {} ({:.1} MB, needs nothing beside it)\n", page.display(), bytes as f64 / 1e6))?;
    Ok(Outcome::Done)
}
