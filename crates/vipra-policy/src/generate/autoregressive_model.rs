//! What token by token generation needs of a model.

use burn::tensor::Tensor;

use crate::Result;
use crate::layout::TokenKind;
use crate::model::{ContinuousInputs, KvCache, PolicyModel, Tokens, Transformer};

/// A model that reads tokens and scores the next ones.
pub(crate) trait AutoregressiveModel {
    /// Output of the last layer at each row's last token, `[rows, 1, dim]`. The tokens stand behind those of a cache, to which
    /// they are added.
    fn forward_last(
        &self,
        tokens: Tokens<'_>,
        numbers: &ContinuousInputs<'_>,
        cache: &mut KvCache,
    ) -> Result<Tensor<3>>;

    /// Logits of a kind's vocabulary for the next token, `[rows, 1, dim]` → `[rows, 1, vocabulary]`.
    fn next_logits(&self, kind: TokenKind, hidden: Tensor<3>) -> Result<Tensor<3>>;
}

impl AutoregressiveModel for Transformer {
    /// Has tokens alone, and no numbers.
    fn forward_last(
        &self,
        tokens: Tokens<'_>,
        _numbers: &ContinuousInputs<'_>,
        cache: &mut KvCache,
    ) -> Result<Tensor<3>> {
        self.forward_cached_last(tokens, &[], cache)
    }

    fn next_logits(&self, kind: TokenKind, hidden: Tensor<3>) -> Result<Tensor<3>> {
        self.logits(kind, hidden)
    }
}

impl AutoregressiveModel for PolicyModel {
    fn forward_last(
        &self,
        tokens: Tokens<'_>,
        numbers: &ContinuousInputs<'_>,
        cache: &mut KvCache,
    ) -> Result<Tensor<3>> {
        self.forward_cached_last(tokens, numbers, cache)
    }

    fn next_logits(&self, kind: TokenKind, hidden: Tensor<3>) -> Result<Tensor<3>> {
        self.logits(kind, hidden)
    }
}
