//! MessagePack with NumPy arrays, as openpi writes it (interfaces a.2).
//!
//! An array is a map with the keys `__ndarray__`, `data`, `dtype` and `shape`, a NumPy scalar one with `__npgeneric__`, `data`
//! and `dtype`. These keys are written as `bin`, for Python's decoder knows no others, and read as `bin` or `str`. Bytes are
//! MessagePack's by the crate `rmp`; what is here is the meaning of those maps, and limits on what a message may hold.

mod array;
mod decode;
mod dtype;
mod encode;

pub use array::Array;
pub use decode::decode;
pub use dtype::{DType, Kind};
pub use encode::encode;

use std::borrow::Cow;

/// What a message says; borrows from its bytes where it can.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number up to `i64::MAX`.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Unsigned(u64),
    /// A number.
    Float(f64),
    /// UTF-8.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A list or tuple.
    List(Vec<Value<'a>>),
    /// Entries in their order. Python allows keys of `str` and `bin`; both are text here.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
    /// A NumPy array.
    Array(Array<'a>),
    /// A NumPy scalar: its value and its type.
    Scalar(Box<Value<'a>>, DType),
}

impl<'a> Value<'a> {
    /// A map, from its entries.
    pub fn map<const N: usize>(entries: [(&'a str, Value<'a>); N]) -> Self {
        Value::Map(entries.into_iter().map(|(key, value)| (Cow::Borrowed(key), value)).collect())
    }

    /// A text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Value::Text(text.into())
    }

    /// A list of texts.
    pub fn texts(texts: &'a [String]) -> Self {
        Value::List(texts.iter().map(|text| Value::text(text.as_str())).collect())
    }

    /// What stands in it, in the words of an error.
    pub fn kind(&self) -> String {
        match self {
            Value::Nil => "nothing".to_owned(),
            Value::Bool(_) => "true or false".to_owned(),
            Value::Int(_) | Value::Unsigned(_) => "a whole number".to_owned(),
            Value::Float(_) => "a number".to_owned(),
            Value::Text(_) => "a text".to_owned(),
            Value::Bytes(_) => "bytes".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Array(array) => format!("an array of {} and shape {:?}", array.dtype(), array.shape()),
            Value::Scalar(_, dtype) => format!("a scalar of {dtype}"),
        }
    }
}
