//! Keys and values of tokens that the model has read.

use vipra_nn::ops::KeysValues;

/// Keys and values of all layers.
#[derive(Debug, Clone, Default)]
pub struct KvCache {
    /// One for each layer; none before something was read.
    pub(super) layers: Vec<KeysValues>,
    /// Tokens at the beginning of each row that do not count, where rows are padded on the left.
    pub(super) left_padding: Option<Vec<u32>>,
    /// Tokens that were read.
    pub(super) length: usize,
}

impl KvCache {
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

    /// Appends keys and values to those of a layer; new layers come one after the other.
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

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Device, Tensor};

    use super::KvCache;
    use crate::layout::Kind;
    use crate::model::shake::Shake;
    use crate::model::{Tokens, TransformerConfig, Vocabularies};

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    fn assert_close(what: &str, found: Tensor<3>, expected: Tensor<3>) {
        assert_eq!(found.dims(), expected.dims(), "{what}");
        let (found, expected) = (values(found), values(expected));
        let far = found.iter().zip(&expected).find(|(found, expected)| (*found - *expected).abs() > 1e-4);
        assert_eq!(far, None, "{what}");
    }

    /// A pass for the last token alone yields the same for it, and leaves the same cache to later passes.
    #[test]
    fn reading_to_the_last_token_is_reading_all() {
        let device = Device::flex();
        let vocabularies = Vocabularies { text: 9, vision: 6, latent_action: 3, frame_positions: 0, frame_grid: None };
        for layers in [1, 3] {
            let config =
                TransformerConfig { dim: 16, layers, heads: 2, feed_forward: 8, ..TransformerConfig::default() };
            device.seed(5);
            let model = config.init(&vocabularies, &device).unwrap().map(&mut Shake);
            for padding in [None, Some(vec![0, 2])] {
                let (mut whole, mut to_last) = (KvCache::new(padding.clone()), KvCache::new(padding.clone()));
                for new in [5, 1, 3] {
                    let what = format!("{layers} layers, {padding:?} padded, {new} tokens");
                    let ids: Vec<u32> = (0..2 * new).map(|at| (at * 5 % 9) as u32).collect();
                    let kinds = vec![Kind::Text; ids.len()];
                    let tokens = || Tokens::new(2, &ids, &kinds);
                    let all = model.forward_cached(tokens(), &mut whole).unwrap();
                    let last = model.forward_cached_last(model.embed(tokens(), &[]).unwrap(), &mut to_last);
                    assert_close(&what, last, all.narrow(1, new - 1, 1));
                    assert_eq!(whole.len(), to_last.len(), "{what}");
                    let look = || model.embed(Tokens::new(2, &[1, 2, 3, 4], &[Kind::Text; 4]), &[]).unwrap();
                    let readonly = |cache| model.forward_cached_readonly(look(), cache);
                    assert_close(&what, readonly(&to_last), readonly(&whole));
                }
            }
        }
    }
}
