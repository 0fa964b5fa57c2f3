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
