//! What is kept away from training.

use serde::{Deserialize, Serialize};

use crate::object::{Color, Kind, Object};

/// Which scenes are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Pairs of colour and shape, and positions, as in training.
    #[default]
    Seen,
    /// The task speaks of at least one pair of colour and shape that training never shows. Its colour and its shape are
    /// known, each with others.
    UnseenPairs,
    /// The object to move begins where none of them does in training.
    UnseenPositions,
}

/// Pairs that only [`Split::UnseenPairs`] shows.
const HELD_OUT_PAIRS: [Object; 6] = [
    Object { color: Color::Green, kind: Kind::Block },
    Object { color: Color::Purple, kind: Kind::Block },
    Object { color: Color::Red, kind: Kind::Plate },
    Object { color: Color::Orange, kind: Kind::Plate },
    Object { color: Color::Yellow, kind: Kind::Bowl },
    Object { color: Color::Blue, kind: Kind::Bowl },
];

/// Side of the squares that the table is divided into, in metres.
const CELL: f32 = 0.06;

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Seen, Self::UnseenPairs, Self::UnseenPositions];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::UnseenPairs => "unseen-pairs",
            Self::UnseenPositions => "unseen-positions",
        }
    }

    /// Whether the object to move may begin at a position, in metres.
    pub(crate) fn allows_start(self, x: f32, y: f32) -> bool {
        is_held_out_position(x, y) == (self == Self::UnseenPositions)
    }

    /// Whether an object may be in a scene at all.
    pub(crate) fn allows(self, object: Object) -> bool {
        self == Self::UnseenPairs || !is_held_out_pair(object)
    }

    /// Whether these may be what the task speaks of.
    pub(crate) fn allows_task(self, objects: &[Object]) -> bool {
        self != Self::UnseenPairs || objects.iter().any(|object| is_held_out_pair(*object))
    }
}

/// Whether training never shows this pair of colour and shape.
pub fn is_held_out_pair(object: Object) -> bool {
    HELD_OUT_PAIRS.contains(&object)
}

/// Whether no object to move begins there in training: every fourth square of the table.
pub fn is_held_out_position(x: f32, y: f32) -> bool {
    let [column, row] = [x, y].map(|at| (at / CELL).floor() as i32);
    column.rem_euclid(2) == 0 && row.rem_euclid(2) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_colour_and_each_shape_is_seen_with_others() {
        let seen = |color, kind| !is_held_out_pair(Object { color, kind });
        for color in Color::ALL {
            assert_eq!(Kind::ALL.iter().filter(|kind| seen(color, **kind)).count(), 2, "{color:?}");
        }
        for kind in Kind::ALL {
            assert_eq!(Color::ALL.iter().filter(|color| seen(**color, kind)).count(), 4, "{kind:?}");
        }
    }

    #[test]
    fn a_quarter_of_the_table_is_held_out() {
        let places = (0..100).flat_map(|x| (0..100).map(move |y| (x as f32 * 0.012 - 0.6, y as f32 * 0.012 - 0.6)));
        let held_out = places.filter(|(x, y)| is_held_out_position(*x, *y)).count();
        assert!((2200..2800).contains(&held_out), "{held_out} of 10000");
    }
}
