//! The transformer with what actions and states of a robot need.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actions::{BinActions, FlowActions, ProprioEncoder};
use super::embedding::indices;
use super::init::NewParameters;
use super::tokens::Tokens;
use super::transformer::Transformer;
use crate::layout::Kind;
use crate::{Error, Result};

/// How a policy puts out actions.
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

/// What a policy's parameters depend on, beside the transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionSizes {
    /// How actions are put out.
    pub decoder: ActionDecoder,
    /// Numbers of an action.
    pub action: usize,
    /// Numbers of a state, for a policy that sees them.
    pub proprio: Option<usize>,
    /// Bins of a number, for a policy that puts out bins.
    pub bins: usize,
}

/// A transformer that also reads states and actions, and puts out actions.
#[derive(Module, Debug)]
pub struct PolicyModel {
    /// What pretraining trains.
    pub transformer: Transformer,
    /// Embeds states, if the policy sees them.
    pub proprio_encoder: Option<ProprioEncoder>,
    /// Continuous actions, if the policy flows.
    pub flow: Option<FlowActions>,
    /// Binned actions, if the policy puts out bins.
    pub bins: Option<BinActions>,
}

impl ActionSizes {
    /// A policy around a transformer; what is new in it is random.
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

/// Numbers behind tokens that have no vocabulary.
#[derive(Debug, Clone, Default)]
pub struct ContinuousInputs<'a> {
    /// States of the robot, `[rows, states, state]`.
    pub proprio: Option<Tensor<3>>,
    /// Noisy actions, `[rows, horizon, action]`, and the time of each row.
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
        let mut given = Vec::new();
        if let Some(states) = &numbers.proprio {
            let encoder = self.proprio_encoder.as_ref();
            let encoder = encoder.ok_or_else(|| Error::Invalid("this policy sees no states".to_owned()))?;
            given.push((Kind::Proprio, in_rows(encoder.forward(states.clone()))));
        }
        if let Some((actions, times)) = &numbers.actions {
            given.push((Kind::Action, in_rows(self.flow()?.encoder.forward(actions.clone(), times))));
        } else if let Some(bins) = &self.bins {
            let positions = tokens.kinds.iter().zip(tokens.ids).filter(|(kind, _)| **kind == Kind::Action);
            let ids: Vec<u32> = positions.map(|(_, id)| *id).collect();
            if !ids.is_empty() {
                self.check_bins(&ids)?;
                given.push((Kind::Action, bins.embed(indices(&ids, &bins.embedding.lazy_device()))));
            }
        }
        self.transformer.embed(tokens, &given)
    }

    /// Scores of the vocabulary of a kind.
    ///
    /// # Shapes
    /// `[.., dim]` → `[.., vocabulary]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for kinds that are no tokens of a vocabulary in this policy.
    pub fn logits<const D: usize>(&self, kind: Kind, hidden: Tensor<D>) -> Result<Tensor<D>> {
        match kind {
            Kind::Action => Ok(self.bins()?.logits(hidden)),
            _ => self.transformer.logits(kind, hidden),
        }
    }

    /// The continuous actions.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the policy puts out bins.
    pub fn flow(&self) -> Result<&FlowActions> {
        self.flow.as_ref().ok_or_else(|| Error::Invalid("this policy puts out bins and does not flow".to_owned()))
    }

    /// The binned actions.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the policy flows.
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
                kind: Kind::Action,
                size,
            }),
        }
    }
}

/// `[rows, tokens, dim]` → `[rows·tokens, dim]`
fn in_rows(embedded: Tensor<3>) -> Tensor<2> {
    let [rows, tokens, dim] = embedded.dims();
    embedded.reshape([rows * tokens, dim])
}
