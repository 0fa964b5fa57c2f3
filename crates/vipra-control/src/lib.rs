//! What a robot and a policy say to each other.
//!
//! A [`Policy`] turns an [`Observation`] into an [`ActionChunk`], in the robot's units; its [`PolicyDescription`] says what
//! it wants to see and what its numbers mean. [`History`] keeps what a robot saw until the policy asks for it, and
//! [`ChunkExecutor`] makes single actions of chunks. Nothing here knows how a policy computes.

mod description;
mod ensemble;
mod error;
mod execution;
mod history;
mod observation;
mod policy;

pub use description::{ActionKind, ActionSpace, Gripper, PolicyDescription, ProprioSpace, RotationForm};
pub use error::{Error, Result};
pub use execution::{ChunkExecutor, Execution};
pub use history::History;
pub use observation::{ActionChunk, MAX_INSTRUCTION_BYTES, Observation};
pub use policy::Policy;
