//! Keys and values of tokens that were read already.

use vipra_nn::ops::KeysValues;

/// Keys and values of all layers.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// One for each layer; none before something was read.
    pub(super) layers: Vec<KeysValues>,
    /// Tokens at the beginning of each row that do not count, where rows are padded on the left.
    pub(super) left_padding: Option<Vec<u32>>,
    /// Tokens that were read.
    pub(super) length: usize,
}

impl Cache {
    /// Nothing was read yet. With `left_padding`, the first so many tokens of each row do not count.
    pub fn new(left_padding: Option<Vec<u32>>) -> Self {
        Self { left_padding, ..Self::default() }
    }

    /// The same for each of `rows` rows, of a cache of one row.
    pub fn repeat(&self, rows: usize) -> Self {
        let layers = self.layers.iter().map(|layer| layer.repeat(rows)).collect();
        let left_padding = self.left_padding.as_ref().map(|padding| padding.repeat(rows));
        Self { layers, left_padding, length: self.length }
    }

    /// Takes keys and values of a layer in; layers come one after the other.
    pub(super) fn extend(&mut self, layer: usize, read: KeysValues) {
        match self.layers.get_mut(layer) {
            Some(held) => *held = held.followed_by(read),
            None => self.layers.push(read),
        }
    }

    /// Tokens that were read.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}
