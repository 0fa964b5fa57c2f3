//! From bytes to values.

use std::borrow::Cow;

use rmp::Marker;
use rmp::decode;

use super::{Array, DType, Value};
use crate::{Error, Result};

/// Maps and lists within each other.
const MAX_DEPTH: usize = 16;

/// Values in a message. A byte can stand for a value that takes tens of bytes of memory; observations have a few dozen.
const MAX_VALUES: usize = 1 << 16;

/// The value that is all of `bytes`.
///
/// # Errors
/// [`Error::Malformed`] for bytes that are no MessagePack, for anything after the value, for extension types, for keys that are
/// no text, for arrays whose parts do not fit together, and for too many values or too deep ones.
pub fn decode(bytes: &[u8]) -> Result<Value<'_>> {
    let mut decoder = Decoder { rest: bytes, values_left: MAX_VALUES };
    let value = decoder.value(0)?;
    match decoder.rest.len() {
        0 => Ok(value),
        left => Err(malformed(format!("{left} bytes after the end"))),
    }
}

fn malformed(reason: impl std::fmt::Display) -> Error {
    Error::Malformed(format!("not a valid MessagePack message: {reason}"))
}

struct Decoder<'a> {
    rest: &'a [u8],
    values_left: usize,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>> {
        self.values_left = self.values_left.checked_sub(1).ok_or_else(|| malformed("too many values"))?;
        if depth > MAX_DEPTH {
            return Err(malformed("too deep"));
        }
        let first = *self.rest.first().ok_or_else(|| malformed("it ends too early"))?;
        match Marker::from_u8(first) {
            Marker::Null => self.read(decode::read_nil).map(|()| Value::Nil),
            Marker::True | Marker::False => self.read(decode::read_bool).map(Value::Bool),
            Marker::F32 => self.read(decode::read_f32).map(|value| Value::Float(value.into())),
            Marker::F64 => self.read(decode::read_f64).map(Value::Float),
            Marker::FixPos(_) | Marker::FixNeg(_) => self.int(),
            Marker::U8 | Marker::U16 | Marker::U32 => self.int(),
            Marker::U64 => self.read(decode::read_u64).map(unsigned),
            Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => self.int(),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => self.text().map(Value::Text),
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => self.bytes().map(|bytes| Value::Bytes(bytes.into())),
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.list(depth),
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.map(depth),
            marker => Err(malformed(format!("{marker:?} is not taken"))),
        }
    }

    fn read<T, E: std::fmt::Display>(&mut self, read: impl FnOnce(&mut &'a [u8]) -> Result<T, E>) -> Result<T> {
        read(&mut self.rest).map_err(malformed)
    }

    fn int(&mut self) -> Result<Value<'a>> {
        self.read(decode::read_int::<i64, _>).map(Value::Int)
    }

    fn take(&mut self, length: u32) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.rest.split_at_checked(length as usize).ok_or_else(|| malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn text(&mut self) -> Result<Cow<'a, str>> {
        let length = self.read(decode::read_str_len)?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(malformed)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.read(decode::read_bin_len)?;
        self.take(length)
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>> {
        let length = self.read(decode::read_array_len)?;
        // Memory grows with what is there, and not with what the header promises.
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(depth + 1)?);
        }
        Ok(Value::List(values))
    }

    fn map(&mut self, depth: usize) -> Result<Value<'a>> {
        let length = self.read(decode::read_map_len)?;
        let mut entries = Vec::new();
        for _ in 0..length {
            let key = match self.value(depth + 1)? {
                Value::Text(text) => text,
                Value::Bytes(Cow::Borrowed(bytes)) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(malformed)?),
                other => return Err(malformed(format!("{} as a key", other.kind()))),
            };
            entries.push((key, self.value(depth + 1)?));
        }
        let has = |marker: &str| entries.iter().any(|(key, _)| key == marker);
        match (has("__ndarray__"), has("__npgeneric__")) {
            (true, _) => array(entries).map(Value::Array),
            (_, true) => scalar(entries),
            _ => Ok(Value::Map(entries)),
        }
    }
}

fn unsigned(value: u64) -> Value<'static> {
    i64::try_from(value).map_or(Value::Unsigned(value), Value::Int)
}

fn part<'a>(entries: &mut Vec<(Cow<'a, str>, Value<'a>)>, name: &str) -> Result<Value<'a>> {
    let at = entries.iter().position(|(key, _)| key == name);
    at.map(|at| entries.swap_remove(at).1).ok_or_else(|| Error::Malformed(format!("an array without `{name}`")))
}

fn dtype(value: &Value<'_>) -> Result<DType> {
    match value {
        Value::Text(name) => name.parse(),
        Value::Bytes(name) => String::from_utf8_lossy(name).parse(),
        other => Err(Error::Malformed(format!("`dtype` of an array is {}", other.kind()))),
    }
}

fn array<'a>(mut entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Result<Array<'a>> {
    let dtype = dtype(&part(&mut entries, "dtype")?)?;
    let Value::List(sides) = part(&mut entries, "shape")? else {
        return Err(Error::Malformed("`shape` of an array is no list".to_owned()));
    };
    let side = |side: &Value<'_>| match side {
        Value::Int(side) => usize::try_from(*side).ok(),
        _ => None,
    };
    let shape: Option<Vec<usize>> = sides.iter().map(side).collect();
    let shape = shape.ok_or_else(|| Error::Malformed("`shape` of an array holds no lengths".to_owned()))?;
    match part(&mut entries, "data")? {
        Value::Bytes(data) => Array::new(dtype, shape, data),
        other => Err(Error::Malformed(format!("`data` of an array is {}", other.kind()))),
    }
}

fn scalar<'a>(mut entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Result<Value<'a>> {
    let dtype = dtype(&part(&mut entries, "dtype")?)?;
    match part(&mut entries, "data")? {
        Value::Map(_) | Value::List(_) | Value::Array(_) | Value::Scalar(..) => {
            Err(Error::Malformed("a scalar that is none".to_owned()))
        }
        plain => Ok(Value::Scalar(Box::new(plain), dtype)),
    }
}
