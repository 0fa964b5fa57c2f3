//! NumPy's types of array elements.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `b`
    Bool,
    /// `i`
    Int,
    /// `u`
    Unsigned,
    /// `f`
    Float,
    /// `U`: UCS-4, padded with zeros.
    Text,
    /// `S`: bytes, padded with zeros.
    Bytes,
}

/// A type such as `<f4`. Others than those of [`Kind`] (structures, objects, complex numbers, times) are refused, as openpi
/// refuses most of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DType {
    kind: Kind,
    /// Bytes, but characters for texts.
    count: usize,
    big_endian: bool,
}

impl DType {
    /// `|u1`
    pub const U8: DType = DType { kind: Kind::Unsigned, count: 1, big_endian: false };
    /// `<f4`
    pub const F32: DType = DType { kind: Kind::Float, count: 4, big_endian: false };

    /// What an element is.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        if self.kind == Kind::Text { self.count * 4 } else { self.count }
    }

    /// Whether the first byte of a number is its highest.
    pub fn big_endian(self) -> bool {
        self.big_endian
    }
}

impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = || Error::Malformed(format!("arrays of {text:?} are not taken"));
        let mut letters = text.chars();
        let (order, letter) = (letters.next().ok_or_else(fault)?, letters.next().ok_or_else(fault)?);
        let count: usize = letters.as_str().parse().map_err(|_| fault())?;
        let kind = match letter {
            'b' => Kind::Bool,
            'i' => Kind::Int,
            'u' => Kind::Unsigned,
            'f' => Kind::Float,
            'U' => Kind::Text,
            'S' => Kind::Bytes,
            _ => return Err(fault()),
        };
        let known = match kind {
            Kind::Bool => count == 1,
            Kind::Int | Kind::Unsigned => matches!(count, 1 | 2 | 4 | 8),
            Kind::Float => matches!(count, 2 | 4 | 8),
            Kind::Text | Kind::Bytes => count <= 1 << 20,
        };
        // NumPy writes `|` where there is no order of bytes.
        let ordered = match order {
            '|' => count == 1 && kind != Kind::Text || kind == Kind::Bytes,
            '<' | '>' => true,
            _ => false,
        };
        if !known || !ordered {
            return Err(fault());
        }
        let orderless = matches!(kind, Kind::Bool | Kind::Bytes) || count == 1 && kind != Kind::Text;
        Ok(DType { kind, count, big_endian: order == '>' && !orderless })
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            Kind::Bool => 'b',
            Kind::Int => 'i',
            Kind::Unsigned => 'u',
            Kind::Float => 'f',
            Kind::Text => 'U',
            Kind::Bytes => 'S',
        };
        let order = match self.kind {
            Kind::Bool | Kind::Bytes => '|',
            Kind::Int | Kind::Unsigned | Kind::Float if self.count == 1 => '|',
            _ if self.big_endian => '>',
            _ => '<',
        };
        write!(f, "{order}{letter}{}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numpys_names_are_read_and_written() {
        for name in ["|b1", "|i1", "|u1", "<i2", "<i8", "<u4", "<f2", "<f4", ">f4", "<f8", "<U2", ">U3", "|S5", "|S1"] {
            assert_eq!(name.parse::<DType>().unwrap().to_string(), name);
        }
        assert_eq!("<U2".parse::<DType>().unwrap().bytes(), 8);
        assert_eq!("|S5".parse::<DType>().unwrap().bytes(), 5);
    }

    #[test]
    fn other_types_are_refused() {
        for name in
            ["", "f", "<f", "f4", "<f3", "<f16", "|f4", "<c8", "|O8", "|V2", "<M8[ns]", "=f4", "<i3", "<f-4", "<é4"]
        {
            assert!(name.parse::<DType>().is_err(), "{name}");
        }
    }
}
