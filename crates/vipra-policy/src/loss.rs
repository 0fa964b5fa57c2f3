//! Losses of predicted tokens.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::ops;

use crate::layout::{Batch, Targets, TokenKind};
use crate::model::indices;
use crate::{Error, Result};

/// Weights of the kinds of tokens (reference 6.5). Their sum need not be one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenWeights {
    /// Codes of the transitions.
    #[schemars(range(min = 0.0))]
    pub latent_action: f64,
    /// Tokens of the frame ahead.
    #[schemars(range(min = 0.0))]
    pub latent_state: f64,
    /// Markers, the end of a sample, and text that is predicted.
    #[schemars(range(min = 0.0))]
    pub text: f64,
}

impl Default for TokenWeights {
    fn default() -> Self {
        Self { latent_action: 0.48, latent_state: 0.48, text: 0.02 }
    }
}

impl TokenWeights {
    /// Of a kind.
    pub fn of(&self, kind: TokenKind) -> f64 {
        match kind {
            TokenKind::LatentAction => self.latent_action,
            TokenKind::LatentState => self.latent_state,
            TokenKind::Text => self.text,
            TokenKind::Vision | TokenKind::Proprio | TokenKind::Action => 0.0,
        }
    }
}

/// What the last layer says where tokens of a kind are predicted; nothing is computed for other positions.
///
/// # Shapes
/// `hidden`: `[rows, length, dim]` → `[targets, dim]`
pub(crate) fn at_targets(hidden: &Tensor<3>, targets: &Targets) -> Tensor<2> {
    let [rows, length, dim] = hidden.dims();
    hidden.clone().reshape([rows * length, dim]).select(0, indices(&targets.positions, &hidden.device()))
}

/// Cross-entropy of each kind of token, as a mean over samples of means over a sample's tokens (reference 6.5), each `[1]`.
/// Logits exist only where a loss is taken; `logits` makes them, `[targets, dim]` → `[targets, vocabulary]`.
///
/// # Errors
/// [`Error::Vocabulary`] for a target that its vocabulary does not have; what `logits` says.
pub fn cross_entropies(
    batch: &Batch,
    hidden: &Tensor<3>,
    logits: impl Fn(TokenKind, Tensor<2>) -> Result<Tensor<2>>,
) -> Result<BTreeMap<TokenKind, Tensor<1>>> {
    // All positions at once, cut by kind afterwards: one gather, whose gradient is one scatter.
    let positions = batch.targets.values().flat_map(|targets| &targets.positions).copied().collect();
    let rows = at_targets(hidden, &Targets { positions, ..Targets::default() });
    let mut first = 0;
    let terms = batch.targets.iter().map(|(kind, targets)| {
        let logits = logits(*kind, rows.clone().narrow(0, first, targets.ids.len()))?;
        first += targets.ids.len();
        let size = logits.dims()[1];
        if let Some(at) = targets.ids.iter().position(|id| *id as usize >= size) {
            let position = targets.positions[at] as usize;
            return Err(Error::Vocabulary {
                sample: format!("row {}", position / batch.length.max(1)),
                position: position % batch.length.max(1) + 1,
                id: targets.ids[at],
                kind: *kind,
                size,
            });
        }
        Ok((*kind, ops::cross_entropy(logits, &targets.ids, &targets.weights)))
    });
    terms.collect()
}
