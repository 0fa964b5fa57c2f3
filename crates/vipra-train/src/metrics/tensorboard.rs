//! Event files for TensorBoard: records of a length and protobuf bytes, each with a masked checksum.
//!
//! The messages are the few fields of TensorFlow's `event.proto` and `summary.proto` that a curve needs.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::stage::Scalars;
use crate::{Error, Result};

/// `SessionLog.START` of `event.proto`.
const SESSION_START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// An enumeration, which is encoded as a number.
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

#[derive(Debug)]
pub(super) struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// A new file in the folder, for a run that is at `step`. Its name has the time, by which TensorBoard sorts files, and the
    /// process id.
    pub(super) fn create(folder: &Path, step: u64) -> Result<Self> {
        let path = folder.join(format!("events.out.tfevents.{:.6}.{}.vipra", now_secs(), std::process::id()));
        let file = File::create_new(&path).map_err(|error| Error::io("writing an event file", &path, error))?;
        let mut events = Self { file, path };
        events.append(&Event { file_version: Some("brain.Event:2".into()), ..Event::at(0) })?;
        events.forget_from(step + 1)?;
        Ok(events)
    }

    /// Makes TensorBoard hide what was written so far for this and later steps, in this file and in earlier ones.
    pub(super) fn forget_from(&mut self, step: u64) -> Result<()> {
        let session_log = Some(SessionLog { status: SESSION_START });
        self.append(&Event { session_log, ..Event::at(step) })
    }

    pub(super) fn write(&mut self, step: u64, kind: &str, scalars: &Scalars) -> Result<()> {
        let value = scalars
            .iter()
            .map(|(name, value)| SummaryValue { tag: format!("{kind}/{name}"), simple_value: *value as f32 })
            .collect();
        self.append(&Event { summary: Some(Summary { value }), ..Event::at(step) })
    }

    fn append(&mut self, event: &Event) -> Result<()> {
        self.file
            .write_all(&record(&event.encode_to_vec()))
            .map_err(|error| Error::io("writing an event file", &self.path, error))
    }
}

impl Event {
    fn at(step: u64) -> Self {
        Self { wall_time: now_secs(), step: step as i64, ..Self::default() }
    }
}

fn now_secs() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Length, its checksum, the bytes, their checksum.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(bytes.len() + 16);
    record.extend(length);
    record.extend(masked_checksum(&length).to_le_bytes());
    record.extend(bytes);
    record.extend(masked_checksum(bytes).to_le_bytes());
    record
}

/// CRC-32C, rotated and offset as in TFRecord files.
fn masked_checksum(bytes: &[u8]) -> u32 {
    const MASK: u32 = 0xa282_ead8;
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::{Metrics, TRAIN, VALIDATION};
    use super::{Event, EventFile, SESSION_START, masked_checksum};

    /// The events of a file; asserts that their framing is right.
    fn read(events: &EventFile) -> Vec<Event> {
        let bytes = std::fs::read(&events.path).unwrap();
        let mut rest = bytes.as_slice();
        let mut read = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let checksum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            assert_eq!(checksum(8), masked_checksum(&rest[..8]));
            let payload = &rest[12..12 + length];
            assert_eq!(checksum(12 + length), masked_checksum(payload));
            read.push(Event::decode(payload).unwrap());
            rest = &rest[16 + length..];
        }
        read
    }

    #[test]
    fn records_are_framed_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), 0).unwrap();
        events.write(7, "train", &vec![("loss".into(), 0.5)]).unwrap();
        let read = read(&events);
        assert_eq!(read[0].file_version.as_deref(), Some("brain.Event:2"));
        let value = &read[2].summary.as_ref().unwrap().value[0];
        assert_eq!((read[2].step, value.tag.as_str(), value.simple_value), (7, "train/loss", 0.5));
    }

    #[test]
    fn a_run_that_goes_on_has_a_file_of_its_own_that_ends_what_earlier_ones_say_of_later_steps() {
        let folder = tempfile::tempdir().unwrap();
        let files = [0, 20].map(|step| EventFile::create(folder.path(), step).unwrap());
        assert_ne!(files[0].path, files[1].path);
        let started = files.each_ref().map(|file| {
            let event = read(file).swap_remove(1);
            (event.step, event.session_log.unwrap().status)
        });
        assert_eq!(started, [(1, SESSION_START), (21, SESSION_START)]);
    }

    #[test]
    fn held_out_numbers_that_changed_are_shown_in_the_place_of_those_before_and_beside_their_steps_others() {
        let folder = tempfile::tempdir().unwrap();
        let scalars = |error: f64| vec![("error".to_owned(), error)];
        let mut metrics = Metrics::open(folder.path(), 0).unwrap();
        metrics.write(20, TRAIN, &scalars(0.5)).unwrap();
        metrics.write(20, VALIDATION, &scalars(0.5)).unwrap();
        let told = |error: f64| -> Vec<(i64, Option<(String, f32)>)> {
            let mut metrics = Metrics::open(folder.path(), 20).unwrap();
            metrics.replace_validation(20, &scalars(error)).unwrap();
            let value = |event: Event| event.summary.map(|summary| summary.value[0].clone());
            let event = |event: Event| (event.step, value(event).map(|value| (value.tag, value.simple_value)));
            read(&metrics.events).into_iter().skip(1).map(event).collect()
        };
        assert_eq!(told(0.5), [(21, None)]);
        let value = |tag: &str, error: f32| (20, Some((tag.to_owned(), error)));
        let replaced = vec![(21, None), (20, None), value("train/error", 0.5), value("validation/error", 0.25)];
        assert_eq!(told(0.25), replaced);
    }

    /// Of the bytes of "123456789": CRC-32C's published check value, masked by hand.
    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_checksum(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }
}
