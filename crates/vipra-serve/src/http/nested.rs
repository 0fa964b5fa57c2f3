//! An image as nested lists of JSON, read straight into bytes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use vipra_data::Frame;

use crate::{Error, Result};

/// `[height][width][3]`, levels from 0 to 255.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Nested {
    pub(super) height: usize,
    pub(super) width: usize,
    /// `[height, width, 3]`
    pub(super) levels: Vec<u8>,
}

impl Nested {
    /// The frame, which may have no pixels.
    pub(super) fn into_frame(self, field: &str) -> Result<Frame> {
        Frame::from_pixels(self.width, self.height, self.levels)
            .map_err(|error| Error::refused(field, error.to_string()))
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Rows)
    }
}

struct Rows;

impl<'de> Visitor<'de> for Rows {
    type Value = Nested;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an image as nested lists, [height][width][3]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Nested, A::Error> {
        let mut nested = Nested::default();
        while let Some(row) = rows.next_element::<Vec<Pixel>>()? {
            if nested.height == 0 {
                nested.width = row.len();
            } else if row.len() != nested.width {
                let (height, found, width) = (nested.height, row.len(), nested.width);
                return Err(A::Error::custom(format!("row {height} has {found} pixels, the others {width}")));
            }
            nested.height += 1;
            nested.levels.extend(row.into_iter().flat_map(|Pixel(levels)| levels));
        }
        Ok(nested)
    }
}

/// Three levels.
struct Pixel([u8; 3]);

const GREY: &str = "`image` is two pictures, the earlier and the current one, each [height][width][3]; here a pixel is one \
                    number, as in one picture alone or in grey levels";

impl<'de> Deserialize<'de> for Pixel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Levels)
    }
}

struct Levels;

impl<'de> Visitor<'de> for Levels {
    type Value = Pixel;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pixel, [3]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut levels: A) -> Result<Pixel, A::Error> {
        let mut pixel = [0; 3];
        let mut found = 0;
        while let Some(level) = pixel.get_mut(found) {
            let Some(Level(next)) = levels.next_element()? else { break };
            *level = next;
            found += 1;
        }
        while levels.next_element::<IgnoredAny>()?.is_some() {
            found += 1;
        }
        match found {
            3 => Ok(Pixel(pixel)),
            1 => Err(A::Error::custom(GREY)),
            found => Err(A::Error::custom(format!("`image`: a pixel has three levels, RGB; here it has {found}"))),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Pixel, E> {
        Err(E::custom(GREY))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Pixel, E> {
        Err(E::custom(GREY))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Pixel, E> {
        Err(E::custom(GREY))
    }
}

/// A level from 0 to 255. A fraction is refused and not cut off: a picture of fractions from 0 to 1 would become a black one, and
/// nobody would notice.
struct Level(u8);

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneLevel;
        impl Visitor<'_> for OneLevel {
            type Value = Level;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a level from 0 to 255")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Level, E> {
                u8::try_from(value).map(Level).map_err(|_| E::custom(format!("level {value} is not from 0 to 255")))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Level, E> {
                match value {
                    _ if value.fract() != 0.0 => {
                        Err(E::custom(format!("level {value} is a fraction; levels are whole numbers from 0 to 255")))
                    }
                    0.0..=255.0 => Ok(Level(value as u8)),
                    _ => Err(E::custom(format!("level {value} is not from 0 to 255"))),
                }
            }
        }
        deserializer.deserialize_u64(OneLevel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Nested, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_become_pixels() {
        let nested = parse("[[[1,2,3],[4,5,6]],[[7,8,9],[10.0,255,0]]]").unwrap();
        assert_eq!((nested.height, nested.width), (2, 2));
        assert_eq!(nested.into_frame("image").unwrap().pixels(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 0]);
        assert_eq!(parse("[]").unwrap().into_frame("image").unwrap().pixels().len(), 0);
        assert_eq!(parse("[[],[]]").unwrap().into_frame("image").unwrap().pixels().len(), 0);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        for text in ["[[[256,0,0]]]", "[[[-1,0,0]]]", "[[[0,0]]]", "[[[0,0,0,0]]]", "[[[0,0,0]],[]]", "[[0,0,0]]", "7"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("[[[0,0,0]],[]]").unwrap_err().contains("row 1"));
        assert!(parse("[[[0,0,0,0]]]").unwrap_err().contains("here it has 4"));
    }

    #[test]
    fn fractions_are_refused_and_not_cut_off() {
        for text in ["[[[0.5,0,0]]]", "[[[0,10.9,0]]]", "[[[0,0,0.0]],[[0,0,1e-3]]]"] {
            let found = parse(text).unwrap_err();
            assert!(found.contains("is a fraction; levels are whole numbers from 0 to 255"), "{text}: {found}");
        }
        assert_eq!(parse("[[[0.0,12.0,2.55e2]]]").unwrap().levels, [0, 12, 255]);
        assert!(parse("[[[256.0,0,0]]]").unwrap_err().contains("level 256 is not from 0 to 255"));
    }

    #[test]
    fn grey_levels_are_said_to_be_some() {
        for text in ["[[7,8],[9,10]]", "[[[7],[8]],[[9],[10]]]", "[[0.5]]", "[[-1]]"] {
            let found = parse(text).unwrap_err();
            assert!(found.starts_with(GREY), "{text}: {found}");
        }
    }
}
