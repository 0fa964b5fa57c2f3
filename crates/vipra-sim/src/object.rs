//! What can lie on the table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The colours that have names, far enough apart to be told at 64×64 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Color {
    Red,
    Green,
    Blue,
    Yellow,
    Purple,
    Orange,
}

/// The shapes that have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A cube that fits between fingers.
    Block,
    /// Flat and round.
    Plate,
    /// Round, with a wall.
    Bowl,
}

/// An object as the language names it; no two of a scene are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its colour.
    pub color: Color,
    /// Its shape.
    pub kind: Kind,
}

impl Color {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Red, Self::Green, Self::Blue, Self::Yellow, Self::Purple, Self::Orange];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Purple => "purple",
            Self::Orange => "orange",
        }
    }

    /// How much red, green and blue it throws back, from 0 to 1.
    pub(crate) fn albedo(self) -> [f32; 3] {
        match self {
            Self::Red => [0.86, 0.10, 0.12],
            Self::Green => [0.10, 0.62, 0.20],
            Self::Blue => [0.12, 0.28, 0.88],
            Self::Yellow => [0.97, 0.87, 0.12],
            Self::Purple => [0.55, 0.16, 0.68],
            Self::Orange => [0.98, 0.48, 0.08],
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Block, Self::Plate, Self::Bowl];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Plate => "plate",
            Self::Bowl => "bowl",
        }
    }

    /// Half of its extent along x, y and z, in metres, as it stands.
    pub fn half_extents(self) -> [f32; 3] {
        match self {
            Self::Block => [0.021; 3],
            Self::Plate => [0.058, 0.058, 0.005],
            Self::Bowl => [0.060, 0.060, 0.018],
        }
    }

    /// Radius of the circle that it stands in, in metres.
    pub fn radius(self) -> f32 {
        match self {
            Self::Block => 0.030,
            Self::Plate | Self::Bowl => self.half_extents()[0],
        }
    }
}

impl FromStr for Object {
    type Err = String;

    /// As [`Display`](fmt::Display) writes it: `red block`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let color = words.next().and_then(|word| Color::ALL.into_iter().find(|color| color.name() == word));
        let kind = words.next().and_then(|word| Kind::ALL.into_iter().find(|kind| kind.name() == word));
        match (color, kind, words.next()) {
            (Some(color), Some(kind), None) => Ok(Self { color, kind }),
            _ => {
                let (colors, kinds) = (Color::ALL.map(Color::name), Kind::ALL.map(Kind::name));
                Err(format!("`{text}` is not one of {} and one of {}", colors.join(", "), kinds.join(", ")))
            }
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.color.name(), self.kind.name())
    }
}
