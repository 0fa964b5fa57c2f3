//! NumPy arrays.

use std::borrow::Cow;

use half::f16;

use super::{DType, Kind};
use crate::{Error, Result};

/// The most dimensions that NumPy allowed for most of its life.
const MAX_DIMENSIONS: usize = 32;

/// An array in C order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<'a> {
    dtype: DType,
    shape: Vec<usize>,
    data: Cow<'a, [u8]>,
}

impl<'a> Array<'a> {
    /// An array of elements of `dtype`.
    ///
    /// # Errors
    /// [`Error::Malformed`] if `data` does not have as many bytes as the shape wants.
    pub fn new(dtype: DType, shape: Vec<usize>, data: impl Into<Cow<'a, [u8]>>) -> Result<Self> {
        let data = data.into();
        let expected = shape.iter().try_fold(dtype.bytes(), |product, side| product.checked_mul(*side));
        if shape.len() > MAX_DIMENSIONS || expected != Some(data.len()) {
            let bytes = data.len();
            let shape = if shape.len() > MAX_DIMENSIONS { &shape[..MAX_DIMENSIONS] } else { &shape };
            return Err(Error::Malformed(format!("an array of {dtype} and shape {shape:?} with {bytes} bytes")));
        }
        Ok(Self { dtype, shape, data })
    }

    /// Rows of equal width, `[rows, width]`, as `<f4`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for rows of different widths.
    pub fn from_rows(rows: &[Vec<f32>]) -> Result<Self> {
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err(Error::Malformed("rows of different widths".to_owned()));
        }
        let data: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        Array::new(DType::F32, vec![rows.len(), width], data)
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Length of each dimension; empty for an array of no dimension, which has one element.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements' bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The elements as numbers; none for texts and bytes.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let each = |bytes: usize| self.data.chunks_exact(bytes);
        Some(match (self.dtype.kind(), self.dtype.bytes()) {
            (Kind::Bool | Kind::Unsigned, 1) => self.data.iter().map(|byte| f64::from(*byte)).collect(),
            (Kind::Int, 1) => self.data.iter().map(|byte| f64::from(byte.cast_signed())).collect(),
            (Kind::Unsigned, bytes) => each(bytes).map(|element| self.bits(element) as f64).collect(),
            (Kind::Int, bytes) => each(bytes).map(|element| self.signed(element) as f64).collect(),
            (Kind::Float, 2) => each(2).map(|element| f16::from_bits(self.bits(element) as u16).to_f64()).collect(),
            (Kind::Float, 4) => each(4).map(|element| f64::from(f32::from_bits(self.bits(element) as u32))).collect(),
            (Kind::Float, _) => each(8).map(|element| f64::from_bits(self.bits(element))).collect(),
            (Kind::Text | Kind::Bytes | Kind::Bool, _) => return None,
        })
    }

    /// The text of an array with one element of text.
    pub fn text(&self) -> Option<String> {
        if self.dtype.kind() != Kind::Text || self.data.len() != self.dtype.bytes() {
            return None;
        }
        let letters = self.data.chunks_exact(4).map(|letter| char::from_u32(self.bits(letter) as u32));
        let text: Option<String> = letters.collect();
        text.map(|text| text.trim_end_matches('\0').to_owned())
    }

    /// Up to eight bytes as a number.
    fn bits(&self, element: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.dtype.big_endian() { element.iter().fold(0, add) } else { element.iter().rev().fold(0, add) }
    }

    fn signed(&self, element: &[u8]) -> i64 {
        let unused = 64 - 8 * element.len() as u32;
        (self.bits(element) << unused).cast_signed() >> unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(dtype: &str, data: &[u8]) -> Vec<f64> {
        let dtype: DType = dtype.parse().unwrap();
        Array::new(dtype, vec![data.len() / dtype.bytes()], data).unwrap().numbers().unwrap()
    }

    #[test]
    fn every_type_of_number_is_read_in_either_order() {
        assert_eq!(numbers("<f4", &1.5_f32.to_le_bytes()), [1.5]);
        assert_eq!(numbers(">f4", &1.5_f32.to_be_bytes()), [1.5]);
        assert_eq!(numbers("<f8", &(-0.1_f64).to_le_bytes()), [-0.1]);
        assert_eq!(numbers("<f2", &[0x00, 0x3c, 0x00, 0xc0]), [1.0, -2.0]);
        assert_eq!(numbers(">i2", &(-2_i16).to_be_bytes()), [-2.0]);
        assert_eq!(numbers("<i8", &(-3_i64).to_le_bytes()), [-3.0]);
        assert_eq!(numbers("<u4", &u32::MAX.to_le_bytes()), [f64::from(u32::MAX)]);
        assert_eq!(numbers("|i1", &[0xff]), [-1.0]);
        assert_eq!(numbers("|u1", &[0xff]), [255.0]);
        assert_eq!(numbers("|b1", &[1, 0]), [1.0, 0.0]);
    }

    #[test]
    fn a_single_text_is_read() {
        let bytes: Vec<u8> = "ab\0".chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
        let array = Array::new("<U3".parse().unwrap(), vec![], bytes).unwrap();
        assert_eq!(array.text().as_deref(), Some("ab"));
        let surrogate = Array::new("<U1".parse().unwrap(), vec![1], 0xd800_u32.to_le_bytes().to_vec()).unwrap();
        assert_eq!(surrogate.text(), None);
    }

    #[test]
    fn a_shape_that_does_not_fit_its_bytes_is_refused() {
        for shape in [vec![2], vec![usize::MAX, 2], vec![1; 40], vec![0], vec![1, 1, 2]] {
            assert!(Array::new(DType::F32, shape.clone(), vec![0; 4]).is_err(), "{shape:?}");
        }
        assert!(Array::new(DType::F32, vec![], vec![0; 4]).is_ok());
        assert!(Array::new(DType::F32, vec![3, 0], vec![]).is_ok());
    }
}
