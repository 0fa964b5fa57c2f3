//! One page on a whole run: [`write`] collects what the stages left in the run folder into `report.html`.
//!
//! What is expensive to make (rebuilt frames, imagined futures, open-loop curves, rollouts) is made by the stages. Here nothing is
//! computed but rates and their intervals. What is absent is said to be absent, with the command that makes it; what is there and
//! cannot be read is an error. [`layout`] has the names of everything that is looked for.

mod curves;
mod error;
pub mod layout;
mod metrics;
mod read;
mod record;
mod sections;

use std::path::{Path, PathBuf};

pub use error::{Error, Result};
pub use record::StageRecord;

/// Writes `report.html` into a run folder; its path.
///
/// # Errors
/// [`Error::NoRun`] of a folder that holds nothing of a run; [`Error::Content`], [`Error::Picture`], [`Error::Evaluation`] of what
/// is there and is broken; [`Error::Io`].
pub fn write(run: &Path) -> Result<PathBuf> {
    let page = sections::page(run)?;
    let file = run.join(layout::REPORT);
    // Whoever looks at the page while it is made anew sees the old one.
    let partial = file.with_extension("html.partial");
    std::fs::write(&partial, page).map_err(Error::io(&partial))?;
    std::fs::rename(&partial, &file).map_err(Error::io(&file))?;
    Ok(file)
}
