//! The safetensors format.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use burn::tensor::{bf16, f16};
use safetensors::tensor::{View, serialize_to_file};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::Value;

use super::read::READING;
use super::store::{Stored, Values, Weights, widen};
use crate::{Error, Result};

const WRITING: &str = "writing weights";

impl Weights {
    /// Reads a safetensors file. Half precision is widened; tensors of other types (counters, masks) are kept by name
    /// only and are an error only where a module wants them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Safetensors`].
    pub fn read_safetensors(path: &Path) -> Result<Self> {
        Self::parse_safetensors(&std::fs::read(path).map_err(|error| Error::io(READING, path, error))?, path)
    }

    /// The contents of the safetensors file at `path`, as [`read_safetensors`](Self::read_safetensors) reads it.
    ///
    /// # Errors
    /// [`Error::Safetensors`].
    pub fn parse_safetensors(bytes: &[u8], path: &Path) -> Result<Self> {
        let fault = |error: SafeTensorError| Error::Safetensors { reason: error.to_string(), path: path.to_path_buf() };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(fault)?;
        let file = SafeTensors::deserialize(bytes).map_err(fault)?;
        let mut weights = Self::new(path.display().to_string());
        weights.metadata.extend(header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        for (name, view) in file.iter() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => Values::Float(widen(data, f32::from_le_bytes)),
                Dtype::F16 => Values::Float(widen(data, |bytes| f16::from_le_bytes(bytes).to_f32())),
                Dtype::BF16 => Values::Float(widen(data, |bytes| bf16::from_le_bytes(bytes).to_f32())),
                other => Values::Other(format!("{other:?}")),
            };
            weights.tensors.insert(name.to_owned(), Stored { shape: view.shape().to_vec(), values });
        }
        Ok(weights)
    }

    /// Writes all tensors and the metadata into a safetensors file, straight to its place: whoever needs the old file
    /// until the new one is whole writes beside it and renames. The same contents make the same bytes, and so the same
    /// fingerprint.
    ///
    /// # Errors
    /// [`Error::DType`] for a tensor that is known by name only, [`Error::Io`], [`Error::Safetensors`].
    pub fn write_safetensors(&self, path: &Path) -> Result<()> {
        let mut views = Vec::with_capacity(self.tensors.len());
        for (name, stored) in &self.tensors {
            match &stored.values {
                Values::Float(values) => views.push((name, Floats { shape: &stored.shape, values })),
                Values::Other(dtype) => {
                    let (name, dtype) = (name.clone(), dtype.clone());
                    return Err(Error::DType { name, dtype, path: self.source.clone().into() });
                }
            }
        }
        let entries = self.metadata.iter().map(|(key, value)| (key.clone(), value.clone()));
        let metadata = (!self.metadata.is_empty()).then(|| entries.collect());
        serialize_to_file(views, metadata, path).map_err(|error| match error {
            SafeTensorError::IoError(error) => Error::io(WRITING, path, error),
            other => Error::Safetensors { reason: other.to_string(), path: path.to_path_buf() },
        })?;
        sort_metadata(path).map_err(|error| Error::io(WRITING, path, error))
    }
}

/// Puts the metadata of a file in the order of its keys: the library writes them in the order of a hash map, which is
/// another one each time.
fn sort_metadata(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    (&file).take(u64::from_le_bytes(length)).read_to_end(&mut header)?;
    let mut parsed: Value = serde_json::from_slice(&header)?;
    let Some(metadata) = parsed.get_mut("__metadata__").and_then(Value::as_object_mut) else { return Ok(()) };
    metadata.sort_keys();
    let mut sorted = serde_json::to_vec(&parsed)?;
    // What the library fills the header up with, so that the tensors begin at a multiple of eight.
    sorted.resize(header.len().max(sorted.len()), b' ');
    if sorted.len() != header.len() {
        return Err(io::Error::other("the header's metadata cannot be sorted in its place"));
    }
    file.seek(SeekFrom::Start(length.len() as u64))?;
    file.write_all(&sorted)
}

/// A tensor on its way into a file; its bytes exist only while it is written.
struct Floats<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

    use super::{Values, Weights};
    use crate::Error;

    #[test]
    fn half_precision_is_widened_and_other_types_are_kept_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let bf16 = [0x80, 0x3f, 0x00, 0xc0]; // 1, −2
        let f16 = [0x00, 0x38]; // 0.5
        let views = [
            ("brain", TensorView::new(Dtype::BF16, vec![2], &bf16).unwrap()),
            ("half", TensorView::new(Dtype::F16, vec![1], &f16).unwrap()),
            ("counts", TensorView::new(Dtype::I64, vec![1], &[0; 8]).unwrap()),
        ];
        serialize_to_file(views, None, &path).unwrap();
        let weights = Weights::read_safetensors(&path).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["brain", "counts", "half"]);
        let floats = |name: &str| match &weights.tensors[name].values {
            Values::Float(values) => values.clone(),
            Values::Other(dtype) => panic!("{dtype}"),
        };
        assert_eq!(floats("brain"), [1.0, -2.0]);
        assert_eq!(floats("half"), [0.5]);
        assert_eq!(weights.shape("counts"), Some(&[1][..]));
    }

    #[test]
    fn cut_and_foreign_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let view = TensorView::new(Dtype::F32, vec![2], &[0; 8]).unwrap();
        serialize_to_file([("a", view)], None, &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() - 1], b"PK\x03\x04 not safetensors at all", b""] {
            std::fs::write(&path, bytes).unwrap();
            let error = Weights::read_safetensors(&path).unwrap_err();
            assert!(matches!(error, Error::Safetensors { .. }), "{error}");
        }
        assert!(matches!(Weights::read_safetensors(&folder.path().join("none")), Err(Error::Io { .. })));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let mut weights = Weights::new("made up");
        weights.insert("b", vec![2, 1], vec![-0.0, f32::from_bits(0x7fc0_1234)]);
        weights.insert("a", vec![], vec![f32::MIN_POSITIVE / 2.0]);
        weights.insert("none", vec![0, 3], vec![]);
        weights.metadata.insert("step".to_owned(), "17 \"…\"".to_owned());
        weights.metadata.insert("config".to_owned(), "{}".to_owned());
        weights.write_safetensors(&path).unwrap();
        let read = Weights::read_safetensors(&path).unwrap();
        assert_eq!(read.metadata, weights.metadata);
        assert_eq!(read.names().collect::<Vec<_>>(), ["a", "b", "none"]);
        for (name, stored) in &weights.tensors {
            let bits = |weights: &Weights| match &weights.tensors[name].values {
                Values::Float(values) => values.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
                Values::Other(dtype) => panic!("{dtype}"),
            };
            assert_eq!(read.shape(name), Some(stored.shape.as_slice()));
            assert_eq!(bits(&read), bits(&weights), "{name}");
        }
    }

    #[test]
    fn the_same_contents_make_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let written = |name: &str| {
            let mut weights = Weights::new("made up");
            weights.insert("a", vec![1], vec![1.0]);
            weights.metadata.extend((0..20).map(|key| (format!("{key} \"é\\"), format!("{{\"{key}\": 1.0}}"))));
            let path = folder.path().join(name);
            weights.write_safetensors(&path).unwrap();
            assert_eq!(Weights::read_safetensors(&path).unwrap().metadata, weights.metadata);
            std::fs::read(path).unwrap()
        };
        assert_eq!(written("one"), written("other"));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let counts = TensorView::new(Dtype::I64, vec![1], &[0; 8]).unwrap();
        serialize_to_file([("counts", counts)], None, &path).unwrap();
        let weights = Weights::read_safetensors(&path).unwrap();
        assert!(matches!(weights.write_safetensors(&path), Err(Error::DType { .. })));
        let nowhere = folder.path().join("none").join("weights.safetensors");
        assert!(matches!(Weights::new("empty").write_safetensors(&nowhere), Err(Error::Io { .. })));
    }
}
