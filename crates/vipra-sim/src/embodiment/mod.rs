//! What moves the objects.

mod gripper;
mod hand;

use rapier3d::math::Pose;
use rapier3d::prelude::SharedShape;
use serde::{Deserialize, Serialize};

use crate::render::Solid;

/// The robots, and the human, that can work at the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Embodiment {
    /// A human-like hand. Videos of it stand for videos of people: its recordings never carry actions.
    Hand,
    /// Two fingers that move against each other, as WidowX's.
    #[default]
    Gripper,
}

/// The parts that move on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the fingers sit on.
    Palm,
    /// The finger that opens along the tool's y.
    Left,
    /// The finger that opens against it.
    Right,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Palm, Self::Left, Self::Right];
}

/// What an embodiment is made of. The frame of the tool has its origin between the tips of the fingers, z up along them,
/// y the way that they open; everything is in metres.
pub(crate) trait Body: Sync {
    /// Where the tool is at the beginning of an episode.
    fn home(&self) -> Pose;
    /// Space between the fingers when it is open.
    fn widest(&self) -> f32;
    /// How far the tips reach below the origin of the tool.
    fn tip_depth(&self) -> f32;
    /// The shapes that touch. Those of fingers stand where the fingers are when they are closed.
    fn shapes(&self, part: Part) -> Vec<(Pose, SharedShape)>;
    /// What is seen when the fingers are so far apart.
    fn look(&self, gap: f32) -> Vec<Solid>;
}

impl Embodiment {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Hand, Self::Gripper];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Gripper => "gripper",
        }
    }

    /// Whether its recordings carry actions and states.
    pub fn has_actions(self) -> bool {
        self == Self::Gripper
    }

    pub(crate) fn body(self) -> &'static dyn Body {
        match self {
            Self::Hand => &hand::Hand,
            Self::Gripper => &gripper::Gripper,
        }
    }
}
