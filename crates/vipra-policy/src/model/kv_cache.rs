//! Keys and values of tokens that the model has read.

use vipra_nn::ops::KeysValues;

use super::tokens::{KindRun, Tokens};

/// Keys and values of all layers, for tokens that come behind.
#[derive(Debug, Clone, Default)]
pub struct KvCache {
    /// One for each layer; none before something was read.
    pub(super) layers: Vec<KeysValues>,
    /// Tokens at the beginning of each row that do not count, where rows are padded on the left.
    pub(super) left_padding: Option<Vec<u32>>,
    /// Tokens of a row that were read.
    pub(super) length: usize,
    /// What each row ends with; none before something was read.
    pub(super) last_runs: Vec<KindRun>,
}

impl KvCache {
    /// An empty cache. With `left_padding`, the first so many tokens of each row do not count.
    pub fn new(left_padding: Option<Vec<u32>>) -> Self {
        Self { left_padding, ..Self::default() }
    }

    /// A cache of one row, repeated to `rows` rows.
    pub fn repeat(&self, rows: usize) -> Self {
        if rows == 1 {
            return self.clone();
        }
        Self {
            layers: self.layers.iter().map(|layer| layer.repeat(rows)).collect(),
            left_padding: self.left_padding.as_ref().map(|padding| padding.repeat(rows)),
            length: self.length,
            last_runs: self.last_runs.repeat(rows),
        }
    }

    /// Appends keys and values to those of a layer; new layers come one after the other.
    pub(super) fn extend(&mut self, layer: usize, read: KeysValues) {
        match self.layers.get_mut(layer) {
            Some(held) => *held = held.followed_by(read),
            None => self.layers.push(read),
        }
    }

    /// Counts tokens whose keys and values were appended to all layers.
    pub(super) fn count(&mut self, tokens: Tokens<'_>) {
        self.length += tokens.row_length();
        self.last_runs = tokens.last_runs(&self.last_runs);
    }

    /// Tokens of a row that were read.
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
    use burn::tensor::{Device, Tensor};

    use super::KvCache;
    use crate::fixtures::{small_transformer, small_vocabularies, transformer_config, values};
    use crate::layout::TokenKind;
    use crate::model::{Tokens, TransformerConfig};

    fn assert_close(what: &str, found: Tensor<3>, expected: Tensor<3>) {
        assert_eq!(found.dims(), expected.dims(), "{what}");
        let (found, expected) = (values(found), values(expected));
        let far = found.iter().zip(&expected).find(|(found, expected)| (*found - *expected).abs() > 1e-4);
        assert_eq!(far, None, "{what}");
    }

    /// A pass for the last token alone yields the same output for it, and leaves the same cache to later passes.
    #[test]
    fn a_pass_for_the_last_token_matches_a_pass_for_all() {
        for layers in [1, 3] {
            let config = TransformerConfig { layers, ..transformer_config() };
            let model = small_transformer(&config, &small_vocabularies(), &Device::flex());
            for padding in [None, Some(vec![0, 2])] {
                let (mut whole, mut to_last) = (KvCache::new(padding.clone()), KvCache::new(padding.clone()));
                for new in [5, 1, 3] {
                    let what = format!("{layers} layers, {padding:?} padded, {new} tokens");
                    let ids: Vec<u32> = (0..2 * new).map(|at| (at * 5 % 9) as u32).collect();
                    let kinds = vec![TokenKind::Text; ids.len()];
                    let tokens = || Tokens::new(2, &ids, &kinds);
                    let all = model.forward_cached(tokens(), &mut whole).unwrap();
                    let last = model.forward_cached_last(tokens(), &[], &mut to_last).unwrap();
                    assert_close(&what, last, all.narrow(1, new - 1, 1));
                    assert_eq!(whole.len(), to_last.len(), "{what}");
                    let look = || model.embed(Tokens::new(2, &[1, 2, 3, 4], &[TokenKind::Text; 4]), &[]).unwrap();
                    let readonly = |cache| model.forward_cached_readonly(look(), cache);
                    assert_close(&what, readonly(&to_last), readonly(&whole));
                }
            }
        }
    }
}
