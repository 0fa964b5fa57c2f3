//! A request's message.

use std::borrow::Cow;

use vipra_control::ProprioSpace;
use vipra_data::Frame;

use crate::codec::{Value, decode};
use crate::metadata::keys;
use crate::state::finite_states;
use crate::{Error, Result, picture};

/// What a message asks for.
pub(super) enum Request {
    /// RoboArena's `reset`.
    Reset,
    /// A chunk.
    Infer(Box<Seen>),
}

/// What a client shows.
pub(super) struct Seen {
    pub(super) image: Frame,
    pub(super) previous: Option<Frame>,
    /// The current state alone or, the oldest first, all that the policy wants; none for a policy that asks for none.
    pub(super) states: Vec<Vec<f32>>,
    pub(super) prompt: Option<String>,
    /// RoboArena's `infer`, whose answer is an array and no map.
    pub(super) bare: bool,
}

impl Request {
    /// Reads a message for a policy that wants states of `proprio`; images may have `max_side` pixels a side. Keys that are
    /// not known are not looked at, as in openpi.
    pub(super) fn read(bytes: &[u8], proprio: Option<&ProprioSpace>, max_side: usize) -> Result<Self> {
        let message = match decode(bytes)? {
            Value::Map(entries) => Message(entries),
            other => return Err(Error::Malformed(format!("a request is a map, and here is {}", other.kind()))),
        };
        let bare = match message.get(keys::ENDPOINT) {
            None => false,
            Some(Value::Text(endpoint)) if endpoint == "infer" => true,
            Some(Value::Text(endpoint)) if endpoint == "reset" => return Ok(Self::Reset),
            Some(_) => return Err(Error::refused(keys::ENDPOINT, "known are `infer` and `reset`")),
        };
        let image = message.get(keys::IMAGE).ok_or_else(|| message.missing(keys::IMAGE))?;
        let previous = message.optional(keys::PREVIOUS_IMAGE);
        Ok(Self::Infer(Box::new(Seen {
            image: picture::decode_value(keys::IMAGE, image, max_side)?,
            previous: previous.map(|value| picture::decode_value(keys::PREVIOUS_IMAGE, value, max_side)).transpose()?,
            states: proprio.map_or(Ok(Vec::new()), |proprio| message.states(proprio))?,
            prompt: message.optional(keys::PROMPT).map(prompt).transpose()?,
            bare,
        })))
    }
}

struct Message<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl Message<'_> {
    fn get(&self, key: &str) -> Option<&Value<'_>> {
        self.0.iter().find(|(found, _)| found == key).map(|(_, value)| value)
    }

    /// What stands at a key; Python's `None` is nothing.
    fn optional(&self, key: &str) -> Option<&Value<'_>> {
        self.get(key).filter(|value| **value != Value::Nil)
    }

    fn missing(&self, key: &str) -> Error {
        // Enough to see a misspelling by, whatever was sent.
        let there: String = self.0.iter().map(|(key, _)| format!(" {key}")).collect();
        let there: String = there.chars().take(200).collect();
        Error::refused(key, format!("is missing; there are:{there}"))
    }

    fn states(&self, proprio: &ProprioSpace) -> Result<Vec<Vec<f32>>> {
        let value = self.get(keys::STATE).ok_or_else(|| self.missing(keys::STATE))?;
        let (width, count) = (proprio.names.len(), proprio.states);
        let rows = rows(value).filter(|rows| rows.len() == 1 || rows.len() == count);
        let rows = rows.filter(|rows| rows.iter().all(|row| row.len() == width)).ok_or_else(|| {
            let reason = format!("is {}; wanted are numbers, [{width}] or [{count}, {width}]", value.kind());
            Error::refused(keys::STATE, reason)
        })?;
        finite_states(keys::STATE, &proprio.names, rows)
    }
}

/// An array of one or two dimensions, or a list of numbers.
fn rows(value: &Value<'_>) -> Option<Vec<Vec<f64>>> {
    match value {
        Value::Array(array) => match *array.shape() {
            [_] => Some(vec![array.numbers()?]),
            [_, width] if width > 0 => Some(array.numbers()?.chunks(width).map(<[f64]>::to_vec).collect()),
            _ => None,
        },
        Value::List(values) => Some(vec![values.iter().map(number).collect::<Option<_>>()?]),
        _ => None,
    }
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        Value::Unsigned(value) => Some(*value as f64),
        Value::Scalar(value, _) => number(value),
        _ => None,
    }
}

/// Text, also as bytes or as an array of one text, as some clients send it.
fn prompt(value: &Value<'_>) -> Result<String> {
    let text = match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Value::Array(array) => array.text(),
        Value::Scalar(value, _) => return prompt(value),
        _ => None,
    };
    text.ok_or_else(|| Error::refused(keys::PROMPT, format!("{} is no text", value.kind())))
}
