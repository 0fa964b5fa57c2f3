//! The transformer with what actions and states of a robot need.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actions::{BinActions, FlowActions, ProprioEncoder};
use super::embedding::indices;
use super::init::NewParameters;
use super::kv_cache::KvCache;
use super::tokens::Tokens;
use super::transformer::Transformer;
use crate::layout::TokenKind;
use crate::{Error, Result};

/// How a policy predicts actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionDecoder {
    /// Flow matching: noise flows to a whole chunk of numbers (ViPRA-FM).
    #[default]
    FlowMatching,
    /// Bins of numbers, one token after the other (ViPRA-AR).
    Autoregressive,
}

impl ActionDecoder {
    /// Its name in configurations and descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlowMatching => "flow-matching",
            Self::Autoregressive => "autoregressive",
        }
    }
}

/// Sizes of the parameters that a policy has beside the transformer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSizes {
    /// How actions are predicted.
    pub decoder: ActionDecoder,
    /// Numbers of an action.
    pub action: usize,
    /// Numbers of a state, for a policy that sees them.
    pub proprio: Option<usize>,
    /// Bins of a number, for an autoregressive policy.
    pub bins: usize,
}

/// A transformer that also reads states and actions, and predicts actions.
#[derive(Module, Debug)]
pub struct PolicyModel {
    /// The part that pretraining trains.
    pub transformer: Transformer,
    /// Embeds states, if the policy sees them.
    pub proprio_encoder: Option<ProprioEncoder>,
    /// Continuous actions, for a policy of flow matching.
    pub flow: Option<FlowActions>,
    /// Binned actions, for an autoregressive policy.
    pub bins: Option<BinActions>,
}

impl ActionSizes {
    /// A policy around a transformer; its new parameters are random.
    pub fn init(&self, transformer: Transformer, new: &NewParameters, device: &Device) -> PolicyModel {
        let dim = transformer.dim();
        PolicyModel {
            proprio_encoder: self.proprio.map(|width| ProprioEncoder::new(width, dim, new, device)),
            flow: (self.decoder == ActionDecoder::FlowMatching)
                .then(|| FlowActions::new(self.action, dim, new, device)),
            bins: (self.decoder == ActionDecoder::Autoregressive).then(|| BinActions::new(self.bins, dim, new, device)),
            transformer,
        }
    }
}

/// The numbers from which tokens without a vocabulary are embedded.
#[derive(Debug, Clone, Default)]
pub struct ContinuousInputs<'a> {
    /// States of the robot, `[rows, states, state_dim]`, normalised.
    pub proprio: Option<Tensor<3>>,
    /// Noisy actions, `[rows, horizon, action_dim]`, and the time of each row.
    pub actions: Option<(Tensor<3>, &'a [f32])>,
}

impl PolicyModel {
    /// Embeds tokens of every kind.
    ///
    /// # Shapes
    /// → `[rows, length, dim]`
    ///
    /// # Errors
    /// Those of [`Transformer::embed`]; [`Error::Invalid`] for numbers that this policy does not take.
    pub fn embed(&self, tokens: Tokens<'_>, numbers: &ContinuousInputs<'_>) -> Result<Tensor<3>> {
        self.transformer.embed(tokens, &self.embed_continuous(tokens, numbers)?)
    }

    /// [`Transformer::forward_cached_last`] for tokens of every kind.
    ///
    /// # Shapes
    /// → `[rows, 1, dim]`
    ///
    /// # Errors
    /// Those of [`embed`](Self::embed).
    pub fn forward_cached_last(
        &self,
        tokens: Tokens<'_>,
        numbers: &ContinuousInputs<'_>,
        cache: &mut KvCache,
    ) -> Result<Tensor<3>> {
        let given = self.embed_continuous(tokens, numbers)?;
        self.transformer.forward_cached_last(tokens, &given, cache)
    }

    /// Embeddings of the tokens that the transformer has no table for, by kind.
    ///
    /// # Shapes
    /// → `[tokens of the kind, dim]` each
    fn embed_continuous(
        &self,
        tokens: Tokens<'_>,
        numbers: &ContinuousInputs<'_>,
    ) -> Result<Vec<(TokenKind, Tensor<2>)>> {
        let mut given = Vec::new();
        if let Some(states) = &numbers.proprio {
            let encoder = self.proprio_encoder.as_ref();
            let encoder = encoder.ok_or_else(|| Error::Invalid("this policy sees no states".to_owned()))?;
            given.push((TokenKind::Proprio, flatten_rows(encoder.forward(states.clone()))));
        }
        if let Some((actions, times)) = &numbers.actions {
            given.push((TokenKind::Action, flatten_rows(self.flow()?.encoder.forward(actions.clone(), times))));
        } else if let Some(bins) = &self.bins {
            let positions = tokens.kinds.iter().zip(tokens.ids).filter(|(kind, _)| **kind == TokenKind::Action);
            let ids: Vec<u32> = positions.map(|(_, id)| *id).collect();
            if !ids.is_empty() {
                self.check_bins(&ids)?;
                given.push((TokenKind::Action, bins.embed(indices(&ids, &bins.embedding.lazy_device()))));
            }
        }
        Ok(given)
    }

    /// Logits of the vocabulary of a kind.
    ///
    /// # Shapes
    /// `[.., dim]` → `[.., vocabulary]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for kinds without a vocabulary in this policy.
    pub fn logits<const D: usize>(&self, kind: TokenKind, hidden: Tensor<D>) -> Result<Tensor<D>> {
        match kind {
            TokenKind::Action => Ok(self.bins()?.logits(hidden)),
            _ => self.transformer.logits(kind, hidden),
        }
    }

    /// The continuous actions.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an autoregressive policy.
    pub fn flow(&self) -> Result<&FlowActions> {
        self.flow.as_ref().ok_or_else(|| Error::Invalid("this policy puts out bins and does not flow".to_owned()))
    }

    /// The binned actions.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a policy of flow matching.
    pub fn bins(&self) -> Result<&BinActions> {
        self.bins.as_ref().ok_or_else(|| Error::Invalid("this policy flows and puts out no bins".to_owned()))
    }

    fn check_bins(&self, ids: &[u32]) -> Result<()> {
        let size = self.bins()?.embedding.lazy_shape()[0];
        match ids.iter().position(|id| *id as usize >= size) {
            None => Ok(()),
            Some(position) => Err(Error::Vocabulary {
                sample: "action tokens".to_owned(),
                position,
                id: ids[position],
                kind: TokenKind::Action,
                size,
            }),
        }
    }
}

/// `[rows, tokens, dim]` → `[rows·tokens, dim]`
fn flatten_rows(embedded: Tensor<3>) -> Tensor<2> {
    let [rows, tokens, dim] = embedded.dims();
    embedded.reshape([rows * tokens, dim])
}
