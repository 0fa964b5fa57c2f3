//! Tensors of a weights file, by name.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use crate::{Error, Result};

/// One tensor as it stands in the file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

/// Values of a tensor: floating point, or of a type that no parameter has.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Float(Vec<f32>),
    Other(String),
}

/// Named tensors, from a file or made in memory.
#[derive(Debug, Clone)]
pub struct Weights {
    pub(crate) tensors: BTreeMap<String, Stored>,
    /// Where they came from, for messages.
    pub(crate) source: String,
}

impl Weights {
    /// No tensors yet; `source` is named in messages.
    pub fn new(source: impl Into<String>) -> Self {
        Self { tensors: BTreeMap::new(), source: source.into() }
    }

    /// Reads a safetensors file. Half precision is widened; tensors of other types (counters, masks) are kept by name
    /// only and are an error only where a module wants them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Safetensors`].
    pub fn read_safetensors(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| Error::Safetensors { reason: error.to_string(), path: path.to_path_buf() })?;
        let mut weights = Self::new(path.display().to_string());
        for (name, view) in file.iter() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => Values::Float(widen(data, |[a, b, c, d]| f32::from_le_bytes([a, b, c, d]))),
                Dtype::F16 => Values::Float(widen(data, |bytes: [u8; 2]| f16::from_le_bytes(bytes).to_f32())),
                Dtype::BF16 => Values::Float(widen(data, |bytes: [u8; 2]| bf16::from_le_bytes(bytes).to_f32())),
                other => Values::Other(format!("{other:?}")),
            };
            weights.tensors.insert(name.to_owned(), Stored { shape: view.shape().to_vec(), values });
        }
        Ok(weights)
    }

    /// Adds a tensor, in the layout of the file it stands for.
    pub fn insert(&mut self, name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.insert(name.into(), Stored { shape, values: Values::Float(values) });
    }

    /// Names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of a tensor, if there is one of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }
}

fn widen<const N: usize>(data: &[u8], from: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>().0.iter().map(|bytes| from(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

    use super::Weights;
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
            super::Values::Float(values) => values.clone(),
            super::Values::Other(dtype) => panic!("{dtype}"),
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
}
