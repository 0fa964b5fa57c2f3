//! What a policy is tried in.

use vipra_data::Frame;

use crate::Result;

/// Which beginning; the same episode is the same for every policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Episode {
    /// What of the environment's beginnings it is drawn from, such as `seen`.
    pub split: String,
    /// Other seeds are other episodes.
    pub seed: u64,
    /// Its number.
    pub number: u64,
}

/// How an episode stands. Partial measures are for the episode so far; None where the environment has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The task is done now.
    pub success_now: bool,
    /// The object to move was between the fingers.
    pub grasped: bool,
    /// The robot touched it.
    pub touched: Option<bool>,
    /// It is elsewhere than at the beginning, and moved farther than any other.
    pub moved_correct: Option<bool>,
    /// Another object was moved.
    pub moved_wrong: Option<bool>,
}

/// A robot and its surroundings, in the units of the policy that drives it.
pub trait Environment: Send {
    /// Begins an episode.
    ///
    /// # Errors
    /// If there is no such episode.
    fn reset(&mut self, episode: &Episode) -> Result<()>;

    /// What is seen, and the robot's state as the policy wants it; empty if it wants none.
    ///
    /// # Errors
    /// If nothing can be seen.
    fn observe(&mut self) -> Result<(Frame, Vec<f32>)>;

    /// Does one action.
    ///
    /// # Errors
    /// If it is none.
    fn step(&mut self, action: &[f32]) -> Result<()>;

    /// What is to be done.
    fn instruction(&self) -> String;

    /// A name for tasks of this kind.
    fn task(&self) -> String;

    /// How it stands.
    fn verdict(&self) -> Verdict;

    /// Steps after which the episode ends, whatever happened: success has to last.
    fn most_steps(&self) -> usize;
}
