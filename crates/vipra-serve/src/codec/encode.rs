//! From values to bytes.

use rmp::encode;

use super::{Array, DType, Value};
use crate::{Error, Result};

/// The bytes of a value: whole numbers in their smallest form, numbers with eight bytes, as Python writes them.
///
/// # Errors
/// [`Error::Malformed`] for what is longer than MessagePack's four gigabytes.
pub fn encode(value: &Value<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(&mut bytes, value)?;
    Ok(bytes)
}

fn write(to: &mut Vec<u8>, value: &Value<'_>) -> Result<()> {
    match value {
        Value::Nil => done(encode::write_nil(to)),
        Value::Bool(value) => done(encode::write_bool(to, *value)),
        Value::Int(value) => done(encode::write_sint(to, *value)),
        Value::Unsigned(value) => done(encode::write_uint(to, *value)),
        Value::Float(value) => done(encode::write_f64(to, *value)),
        Value::Text(text) => write_text(to, text),
        Value::Bytes(bytes) => write_bytes(to, bytes),
        Value::List(values) => {
            done(encode::write_array_len(to, length(values.len())?))?;
            values.iter().try_for_each(|value| write(to, value))
        }
        Value::Map(entries) => {
            done(encode::write_map_len(to, length(entries.len())?))?;
            entries.iter().try_for_each(|(key, value)| {
                write_text(to, key)?;
                write(to, value)
            })
        }
        Value::Array(array) => write_array(to, array),
        Value::Scalar(value, dtype) => write_scalar(to, value, *dtype),
    }
}

/// Python's order of the entries.
fn write_array(to: &mut Vec<u8>, array: &Array<'_>) -> Result<()> {
    to.reserve(array.data().len() + 64);
    done(encode::write_map_len(to, 4))?;
    write_bytes(to, b"__ndarray__")?;
    done(encode::write_bool(to, true))?;
    write_bytes(to, b"data")?;
    write_bytes(to, array.data())?;
    write_bytes(to, b"dtype")?;
    write_text(to, &array.dtype().to_string())?;
    write_bytes(to, b"shape")?;
    done(encode::write_array_len(to, length(array.shape().len())?))?;
    array.shape().iter().try_for_each(|side| done(encode::write_uint(to, *side as u64)))
}

fn write_scalar(to: &mut Vec<u8>, value: &Value<'_>, dtype: DType) -> Result<()> {
    done(encode::write_map_len(to, 3))?;
    write_bytes(to, b"__npgeneric__")?;
    done(encode::write_bool(to, true))?;
    write_bytes(to, b"data")?;
    write(to, value)?;
    write_bytes(to, b"dtype")?;
    write_text(to, &dtype.to_string())
}

fn write_text(to: &mut Vec<u8>, text: &str) -> Result<()> {
    length(text.len())?;
    done(encode::write_str(to, text))
}

fn write_bytes(to: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    length(bytes.len())?;
    done(encode::write_bin(to, bytes))
}

fn length(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| Error::Malformed(format!("{length} is more than a message can hold")))
}

fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<()> {
    result.map(|_| ()).map_err(|error| Error::Malformed(error.to_string()))
}
