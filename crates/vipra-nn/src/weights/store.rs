//! Tensors by name, as they stand in a weights file.

use std::collections::BTreeMap;

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
    /// Words that travel with the tensors in the header of a safetensors file.
    pub metadata: BTreeMap<String, String>,
}

impl Weights {
    /// No tensors yet; `source` is named in messages.
    pub fn new(source: impl Into<String>) -> Self {
        Self { tensors: BTreeMap::new(), source: source.into(), metadata: BTreeMap::new() }
    }

    /// Adds a tensor, in the layout of the file it stands for.
    pub fn insert(&mut self, name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.insert(name.into(), Stored { shape, values: Values::Float(values) });
    }

    /// Where they came from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape and values of a tensor of floating-point numbers, if there is one of that name.
    pub fn floats(&self, name: &str) -> Option<(&[usize], &[f32])> {
        match self.tensors.get(name)? {
            Stored { shape, values: Values::Float(values) } => Some((shape, values)),
            Stored { values: Values::Other(_), .. } => None,
        }
    }

    /// Shape of a tensor, if there is one of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }
}

/// Values of any width as the numbers of a parameter.
pub(super) fn widen<const N: usize>(data: &[u8], from: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>().0.iter().map(|bytes| from(*bytes)).collect()
}
