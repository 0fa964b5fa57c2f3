//! Which token stands where in a sample (reference 7).
//!
//! A sample is written down as fields, `[instruction],[vision],latent_state,latent_action`; brackets mark fields that are
//! not learned. [`SampleLayout`] turns fields and their contents into a [`Sample`]: for each token its id, its [`TokenKind`],
//! which says to which vocabulary the id belongs, and whether it is to be predicted.

mod batch;
mod fields;
mod sample;
mod table;
mod template;

pub use batch::{Arrangement, Batch, Targets};
pub use fields::{Field, Fields};
pub use sample::{Sample, SampleLayout};
pub use table::{CodebookSizes, Content, Markers, SpecialIds};
pub use template::Template;

use std::fmt;

/// What a token stands for; it decides which embedding and which head the token uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// A piece of text, a marker or padding.
    Text,
    /// A token of an observed frame.
    Vision,
    /// A token of the frame H steps ahead. Shares embedding and head with [`Vision`](Self::Vision).
    LatentState,
    /// A code of a transition.
    LatentAction,
    /// A state of the robot, embedded from its numbers.
    Proprio,
    /// A step of an action chunk, embedded from its numbers, or a bin of one of its dimensions.
    Action,
}

impl TokenKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Vision, Self::LatentState, Self::LatentAction, Self::Proprio, Self::Action];

    /// Its name in fields, metrics and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Vision => "vision",
            Self::LatentState => "latent_state",
            Self::LatentAction => "latent_action",
            Self::Proprio => "proprio",
            Self::Action => "action",
        }
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
