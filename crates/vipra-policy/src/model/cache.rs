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
    /// Takes new ones in, and returns all.
    pub(super) fn extend(&mut self, keys: Tensor<4>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let all = match self.held.take() {
            None => (keys, values),
            Some((old_keys, old_values)) => {
                (Tensor::cat(vec![old_keys, keys], 2), Tensor::cat(vec![old_values, values], 2))
            }
        };
        self.held = Some(all.clone());
        all
    }
}
