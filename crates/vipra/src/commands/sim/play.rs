//! `vipra sim play`.

use anyhow::Result;
use vipra_sim::record::{play, recording_seed, save_video};
use vipra_sim::{CONTROL_RATE_HZ, Tabletop};

use super::{Outcome, table};
use crate::cli::PlayArgs;
use crate::files::create_parent;
use crate::output::print;

pub fn run(args: &PlayArgs) -> Result<Outcome> {
    let seed = recording_seed(args.table.seed, args.episode);
    let mut tabletop = Tabletop::new(table(&args.table, args.size)?, seed)?;
    let played = play(&mut tabletop, seed, args.nudges, true)?;
    create_parent(&args.out)?;
    save_video(&played.frames, CONTROL_RATE_HZ, &args.out)?;
    let end = if played.verdict.success_now { "succeeded" } else { "failed" };
    let (steps, out) = (played.actions.len(), args.out.display());
    print(&format!("{}: {end} after {steps} steps, written to {out}\n", played.instruction))?;
    Ok(Outcome::Done)
}
