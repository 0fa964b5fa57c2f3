//! The trait that servers and evaluations drive.

use crate::{ActionChunk, Error, Observation, PolicyDescription, Result};

/// Puts out action chunks. It keeps nothing of what it saw but what makes it faster: what it answers depends on the
/// observation and, if it draws, on chance.
pub trait Policy: Send {
    /// What it wants to see and what its numbers mean.
    fn describe(&self) -> &PolicyDescription;

    /// Chunks for several observations, computed together: one answer for each, in their order. A refused observation
    /// does not keep the others from being answered.
    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<Result<ActionChunk>>;

    /// The chunk for one observation.
    ///
    /// # Errors
    /// [`Error::Observation`] if it is refused, [`Error::Policy`] if the policy fails.
    fn infer(&mut self, observation: &Observation) -> Result<ActionChunk> {
        let answers = self.infer_batch(std::slice::from_ref(observation));
        answers.into_iter().next().unwrap_or_else(|| Err(Error::Invalid("the policy gave no answer".to_owned())))
    }

    /// An episode begins: what is drawn is drawn from the beginning.
    fn reset(&mut self);
}
