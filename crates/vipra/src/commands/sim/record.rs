//! `vipra sim record`.

use anyhow::Result;
use vipra_sim::record::{Recorded, Recording, is_recorded, record};

use super::{Outcome, table};
use crate::cli::RecordArgs;
use crate::output::{plural, print};
use crate::progress::Progress;

pub fn run(args: &RecordArgs) -> Result<Outcome> {
    if is_recorded(&args.out, &recording(args)?) {
        print(&format!("already recorded: {}\n", args.out.display()))?;
        return Ok(Outcome::Done);
    }
    print(&record_dataset(args)?.1)?;
    Ok(Outcome::Done)
}

fn recording(args: &RecordArgs) -> Result<Recording> {
    Ok(Recording {
        table: table(&args.table, args.size)?,
        episodes: args.episodes as usize,
        seed: args.table.seed,
        actions: !args.no_actions,
        nudges: args.nudges,
    })
}

/// Records, or goes on recording. Returns what was recorded, and the text to print.
pub fn record_dataset(args: &RecordArgs) -> Result<(Recorded, String)> {
    let recording = recording(args)?;
    let progress = Progress::new("recording", "episodes");
    let recorded = record(&args.out, &recording, &|done, all| progress.set(done, all))?;
    drop(progress);
    let (who, out) = (args.table.embodiment.name(), args.out.display());
    let (episodes, frames, failures) = (recorded.episodes, recorded.frames, recorded.failures);
    let actions = if recording.has_actions() { "with actions" } else { "without actions" };
    let mut text = format!(
        "{} of the {who} {actions}, {}, written to {out}\n",
        plural(episodes, "episode"),
        plural(frames, "frame")
    );
    text.push_str(&format!("failed attempts, left out: {failures}\n"));
    Ok((recorded, text))
}
