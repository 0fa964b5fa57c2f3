//! Keys and values of tokens that were read already.

use burn::tensor::Tensor;

/// Keys and values of all layers, `[rows, heads, tokens, head_dim]` each; keys are rotated already.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    pub(super) layers: Vec<LayerCache>,
    /// First token of each row that counts, where rows are padded on the left.
    pub(super) first_seen: Option<Vec<u32>>,
    /// Tokens that were read.
    pub(super) length: usize,
}

impl Cache {
    /// Nothing was read yet. With `left_padding`, the first so many tokens of each row do not count.
    pub fn new(left_padding: Option<Vec<u32>>) -> Self {
        Self { first_seen: left_padding, ..Self::default() }
    }

    /// The same for each of `rows` rows, of a cache of one row.
    pub fn repeat(&self, rows: usize) -> Self {
        let layers = self.layers.iter().map(|layer| layer.repeat(rows)).collect();
        let first_seen = self.first_seen.as_ref().map(|first| first.repeat(rows));
        Self { layers, first_seen, length: self.length }
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

/// Keys and values of one layer.
#[derive(Debug, Clone, Default)]
pub(super) struct LayerCache {
    held: Option<(Tensor<4>, Tensor<4>)>,
}

impl LayerCache {
    fn repeat(&self, rows: usize) -> Self {
        let repeated = |held: &Tensor<4>| held.clone().repeat_dim(0, rows);
        Self { held: self.held.as_ref().map(|(keys, values)| (repeated(keys), repeated(values))) }
    }

    /// Takes new ones in, and returns all.
    pub(super) fn extend(&mut self, keys: Tensor<4>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let all = self.with(keys, values);
        self.held = Some(all.clone());
        all
    }

    /// All, with new ones behind them that are not taken in.
    pub(super) fn with(&self, keys: Tensor<4>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        match &self.held {
            None => (keys, values),
            Some((held_keys, held_values)) => {
                (Tensor::cat(vec![held_keys.clone(), keys], 2), Tensor::cat(vec![held_values.clone(), values], 2))
            }
        }
    }
}
