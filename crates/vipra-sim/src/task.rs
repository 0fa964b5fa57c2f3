//! What is to be done, in words.

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::object::Object;

/// The kinds of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// A block on a plate or into a bowl.
    Put,
    /// A block on a block.
    Stack,
    /// Anything to a side.
    Push,
}

/// Where something is pushed, as whoever sits behind the camera says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Side {
    Left,
    Right,
    /// Towards the camera.
    Front,
    /// Away from the camera.
    Back,
}

/// A task; objects are numbers in its scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "task")]
pub enum Task {
    /// Put a block on a plate or into a bowl.
    Put {
        /// The block.
        source: usize,
        /// What it goes on.
        target: usize,
    },
    /// Stack a block on another.
    Stack {
        /// The upper block.
        source: usize,
        /// The lower block.
        target: usize,
    },
    /// Push something to a side.
    Push {
        /// What is pushed.
        source: usize,
        /// Where to.
        side: Side,
    },
}

impl TaskKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Put, Self::Stack, Self::Push];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Stack => "stack",
            Self::Push => "push",
        }
    }
}

impl Side {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Front, Self::Back];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Front => "front",
            Self::Back => "back",
        }
    }

    /// Its direction on the table: x away from the camera, y to the left.
    pub fn direction(self) -> [f32; 2] {
        match self {
            Self::Left => [0.0, 1.0],
            Self::Right => [0.0, -1.0],
            Self::Front => [-1.0, 0.0],
            Self::Back => [1.0, 0.0],
        }
    }
}

impl Task {
    /// Its kind.
    pub fn kind(&self) -> TaskKind {
        match self {
            Self::Put { .. } => TaskKind::Put,
            Self::Stack { .. } => TaskKind::Stack,
            Self::Push { .. } => TaskKind::Push,
        }
    }

    /// The object to move.
    pub fn source(&self) -> usize {
        match *self {
            Self::Put { source, .. } | Self::Stack { source, .. } | Self::Push { source, .. } => source,
        }
    }

    /// What it goes on, if anything.
    pub fn target(&self) -> Option<usize> {
        match *self {
            Self::Put { target, .. } | Self::Stack { target, .. } => Some(target),
            Self::Push { .. } => None,
        }
    }

    /// One of the ways to say it.
    pub(crate) fn instruction(&self, objects: &[Object], rng: &mut impl Rng) -> String {
        let ways = self.instructions(objects);
        ways[rng.random_range(0..ways.len())].clone()
    }

    /// All ways to say it.
    pub fn instructions(&self, objects: &[Object]) -> Vec<String> {
        let x = objects[self.source()];
        match *self {
            Self::Put { target, .. } if objects[target].kind == crate::object::Kind::Bowl => {
                let y = objects[target];
                vec![
                    format!("put the {x} in the {y}"),
                    format!("put the {x} into the {y}"),
                    format!("place the {x} in the {y}"),
                    format!("pick up the {x} and drop it in the {y}"),
                ]
            }
            Self::Put { target, .. } => {
                let y = objects[target];
                vec![
                    format!("put the {x} on the {y}"),
                    format!("put the {x} onto the {y}"),
                    format!("place the {x} on the {y}"),
                    format!("pick up the {x} and put it on the {y}"),
                ]
            }
            Self::Stack { target, .. } => {
                let y = objects[target];
                vec![
                    format!("stack the {x} on the {y}"),
                    format!("stack the {x} on top of the {y}"),
                    format!("put the {x} on top of the {y}"),
                    format!("pick up the {x} and stack it on the {y}"),
                ]
            }
            Self::Push { side, .. } => {
                let side = side.name();
                vec![
                    format!("push the {x} to the {side}"),
                    format!("slide the {x} to the {side}"),
                    format!("move the {x} to the {side}"),
                    format!("push the {x} towards the {side}"),
                ]
            }
        }
    }
}
