//! Who knows how the tasks are done.
//!
//! An expert sees where everything is, decides anew at every step, and so recovers from what goes wrong: a grasp beside the
//! object, a block that slips, a push that strays. How it moves is drawn for each episode, and trembles.

mod motion;
mod phase;
mod pick;
mod push;
mod style;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::tabletop::{DIMENSIONS, Tabletop};
use crate::task::Task;
use motion::Motion;
use phase::Goal;
pub(crate) use phase::Phase;
use style::Style;

/// Random numbers of the expert's own, whatever the scene has drawn.
const STREAM: u64 = 1;
/// Steps that it waits when it is done, so that videos show it.
const REST: usize = 3;

/// Does the task of one episode.
pub struct Expert {
    style: Style,
    motion: Motion,
    phase: Phase,
    /// Steps in this phase.
    steps: usize,
    /// Attempts that went wrong.
    retries: usize,
    rng: ChaCha8Rng,
}

impl Expert {
    /// For the episode that begins on this table; `seed` decides how it moves.
    pub fn new(table: &Tabletop, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        let style = Style::draw(table.config().embodiment, &mut rng);
        let phase = Phase::first(&table.scene().task);
        Self { motion: Motion::new(&style), style, phase, steps: 0, retries: 0, rng }
    }

    /// What it does next.
    pub fn act(&mut self, table: &Tabletop) -> [f32; DIMENSIONS] {
        let next = match table.scene().task {
            Task::Put { source, target } | Task::Stack { source, target } => self.pick_next(table, source, target),
            Task::Push { source, side } => self.push_next(table, source, side),
        };
        if let Some(next) = next {
            self.enter(next);
        }
        self.steps += 1;
        let goal = self.goal(table);
        self.motion.towards(&goal, table.target(), &self.style, &mut self.rng)
    }

    /// Whether it is done and has rested for a moment.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done && self.steps >= REST
    }

    /// Whether its last action is the first one of this phase.
    pub(crate) fn has_just_begun(&self, phase: Phase) -> bool {
        self.phase == phase && self.steps == 1
    }

    fn enter(&mut self, next: Phase) {
        self.retries += usize::from(matches!(next, Phase::Approach | Phase::Reach));
        self.phase = next;
        self.steps = 0;
    }

    fn goal(&self, table: &Tabletop) -> Goal {
        match table.scene().task {
            Task::Put { source, target } | Task::Stack { source, target } => self.pick_goal(table, source, target),
            Task::Push { source, side } => self.push_goal(table, source, side),
        }
    }

    /// Whether the tool is where this phase wanted it to be.
    fn has_arrived(&self, table: &Tabletop) -> bool {
        let goal = self.goal(table);
        self.steps > 0 && goal.place.distance(table.target().translation) < goal.tolerance
    }
}
