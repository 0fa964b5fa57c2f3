//! The numbers of an episode: one row a frame, one column a feature.

use indexmap::IndexMap;

use crate::error::{Error, Result};

/// The columns of one episode (or of any run of frames), in the order of the dataset's features.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Frames.
    pub length: usize,
    /// Feature name → column of `length` rows.
    pub columns: IndexMap<String, Column>,
}

/// The values of one feature, `[length, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Values a row: the product of the feature's shape.
    pub width: usize,
    /// `length * width` values.
    pub values: Values,
}

/// Values in the type that holds every value of the file's type exactly.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// From float16 and float32.
    F32(Vec<f32>),
    /// From float64.
    F64(Vec<f64>),
    /// From every integer type.
    I64(Vec<i64>),
    /// From bool.
    Bool(Vec<bool>),
    /// From string.
    Text(Vec<String>),
}

impl Values {
    /// The number of values, over all rows.
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::Bool(values) => values.len(),
            Values::Text(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values as numbers (bool as 0 and 1), or `None` for text. Integers beyond 2⁵³ are rounded.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        match self {
            Values::F32(values) => Some(values.iter().map(|&value| f64::from(value)).collect()),
            Values::F64(values) => Some(values.clone()),
            Values::I64(values) => Some(values.iter().map(|&value| value as f64).collect()),
            Values::Bool(values) => Some(values.iter().map(|&value| f64::from(u8::from(value))).collect()),
            Values::Text(_) => None,
        }
    }
}

impl Rows {
    /// The values of a numeric feature, `[length, width]`, and that width.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the feature is missing or is text.
    pub fn numbers(&self, feature: &str) -> Result<(Vec<f64>, usize)> {
        let column = self
            .columns
            .get(feature)
            .ok_or_else(|| Error::Invalid(format!("these rows have no feature `{feature}`")))?;
        let values = column.values.to_f64().ok_or_else(|| Error::Invalid(format!("feature `{feature}` is text")))?;
        Ok((values, column.width))
    }

    /// Adds a column.
    ///
    /// # Errors
    /// [`Error::Size`] if it does not have `length * width` values.
    pub fn insert(&mut self, feature: &str, width: usize, values: Values) -> Result<()> {
        if values.len() != self.length * width {
            return Err(Error::Size {
                what: format!("values of `{feature}`"),
                expected: self.length * width,
                found: values.len(),
            });
        }
        self.columns.insert(feature.to_owned(), Column { width, values });
        Ok(())
    }
}
