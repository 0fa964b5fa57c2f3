//! One episode of an expert.

use vipra_data::Frame;

use super::nudge::Nudges;
use crate::error::Result;
use crate::expert::Expert;
use crate::tabletop::{DIMENSIONS, Tabletop};
use crate::verdict::Verdict;

/// An episode as it was seen and done.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// What was to be done.
    pub instruction: String,
    /// What was seen before each action, `[actions]`; empty if nobody looked.
    pub frames: Vec<Frame>,
    /// Where the tool was before each action, `[actions][7]`: [`STATE_NAMES`](crate::STATE_NAMES).
    pub states: Vec<[f32; DIMENSIONS]>,
    /// What was done, `[actions][7]`: [`ACTION_NAMES`](crate::ACTION_NAMES).
    pub actions: Vec<[f32; DIMENSIONS]>,
    /// How it ended.
    pub verdict: Verdict,
}

/// Lets the expert do the episode `seed` on this table, which begins anew; with pictures if somebody looks. The object is
/// nudged aside with the probability `nudges` when the expert comes down to it, and when it closes its fingers.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) if no scene fits on the table.
pub fn play(table: &mut Tabletop, seed: u64, nudges: f32, with_pictures: bool) -> Result<Played> {
    table.reset(seed)?;
    let mut expert = Expert::new(table, seed);
    let mut nudges = Nudges::draw(nudges, seed);
    let (mut frames, mut states, mut actions) = (Vec::new(), Vec::new(), Vec::new());
    while table.steps() < table.most_steps() && !expert.is_done() {
        if with_pictures {
            frames.push(table.picture());
        }
        states.push(table.state());
        let action = expert.act(table);
        nudges.act(&expert, table);
        table.step(&action)?;
        actions.push(action);
    }
    Ok(Played { instruction: table.instruction().to_owned(), frames, states, actions, verdict: table.verdict() })
}
