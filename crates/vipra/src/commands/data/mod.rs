//! `vipra data`.

mod check;
mod clips;
mod convert;
mod inspect;
mod stats;

use anyhow::Result;
use vipra_data::{DataConfig, Source, SourceConfig};

pub use clips::draw_clips;
pub use inspect::frame_rates;

use super::Outcome;
use crate::cli::{DataCommand, SourceArgs};
use crate::progress::Progress;

pub fn run(command: DataCommand) -> Result<Outcome> {
    match command {
        DataCommand::Inspect { source, json } => inspect::run(&source, json),
        DataCommand::Check { path, fps, workers, json } => check::run(&path, fps, usize::from(workers), json),
        DataCommand::Stats { source, config, split, pictures, out, json } => {
            stats::run(&stats::Request { source, config, split, pictures, out, json })
        }
        DataCommand::Convert(args) => convert::run(&args),
        DataCommand::Clips(args) => clips::run(&args),
    }
}

/// Opens a dataset with a progress bar.
fn open(args: &SourceArgs) -> Result<Box<dyn Source>> {
    open_as(args, &DataConfig { on_error: args.on_error.into(), ..DataConfig::default() })
}

/// Opens a dataset with a progress bar, as strictly as a configuration says.
fn open_as(args: &SourceArgs, data: &DataConfig) -> Result<Box<dyn Source>> {
    let progress = Progress::new("opening", "videos");
    let source = SourceConfig { fps: args.fps, ..SourceConfig::new(&args.path) };
    Ok(data.open(&source, &|done, all| progress.set(done, all))?)
}

/// "1 episode", "2 episodes".
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// "ada.mp4, bea.mp4, …": what episodes are called here.
pub fn first_names(source: &dyn Source) -> String {
    const NAMED: usize = 3;
    let names: Vec<&str> = source.episodes().iter().take(NAMED).map(|episode| episode.name.as_str()).collect();
    let more = if source.episodes().len() > NAMED { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// "38 s", "15.3 min", "2.1 h".
pub fn duration(secs: f64) -> String {
    match secs {
        secs if secs < 120.0 => format!("{secs:.1} s"),
        secs if secs < 7200.0 => format!("{:.1} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3600.0),
    }
}
