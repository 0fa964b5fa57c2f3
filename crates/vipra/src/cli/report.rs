//! Flags of `vipra report`.

use std::path::PathBuf;

use clap::Args;

/// The run to report on.
#[derive(Args)]
pub struct RunReportArgs {
    /// The run folder, as `vipra run` fills it. The page becomes RUN/report.html.
    pub run: PathBuf,
}
