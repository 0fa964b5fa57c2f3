//! Initial values of parameters that no checkpoint holds.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_tokenizer::TrainedTokenizer;

use super::config::{TransformerConfig, Vocabularies};
use super::transformer::Transformer;
use crate::Result;

/// Initialisation of the parameters that finetuning adds to a pretrained model. By default the reference's: matrices scaled by
/// their inputs (LeCun), small normal biases (reference 6.6).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewParameters {
    /// Standard deviation of matrices, times the root of their number of inputs.
    #[schemars(range(min = 0.0))]
    pub matrix_gain: f64,
    /// Standard deviation of biases.
    #[schemars(range(min = 0.0))]
    pub bias_spread: f64,
}

impl Default for NewParameters {
    fn default() -> Self {
        Self { matrix_gain: 1.0, bias_spread: 0.01 }
    }
}

impl TransformerConfig {
    /// A model with initial weights: random, except for what the frame tokenizer knows of its codes and of the places in a
    /// frame.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if the sizes do not fit.
    pub(crate) fn init_with_tokenizer(
        &self,
        vocabularies: &Vocabularies,
        tokenizer: &TrainedTokenizer,
        device: &Device,
    ) -> Result<Transformer> {
        let model =
            self.init(vocabularies, device)?.with_sinusoidal_frame_positions(tokenizer.description.model.grid());
        Ok(if self.start_from_code_vectors { model.with_code_vectors(tokenizer.model.codebook.val()) } else { model })
    }
}

impl NewParameters {
    /// A matrix of `shape`, scaled by its number of inputs.
    pub(super) fn matrix<const D: usize>(&self, shape: [usize; D], inputs: usize, device: &Device) -> Tensor<D> {
        let spread = self.matrix_gain / (inputs as f64).sqrt();
        Tensor::random(shape, Distribution::Normal(0.0, spread), device)
    }

    /// A linear layer with a bias.
    pub(super) fn linear(&self, inputs: usize, outputs: usize, device: &Device) -> Linear {
        let spread = self.matrix_gain / (inputs as f64).sqrt();
        let initializer = Initializer::Normal { mean: 0.0, std: spread };
        let mut linear = LinearConfig::new(inputs, outputs).with_initializer(initializer).init(device);
        linear.bias = linear.bias.map(|bias| {
            bias.map(|bias| {
                let values = Tensor::random(bias.dims(), Distribution::Normal(0.0, self.bias_spread), &bias.device());
                if bias.is_require_grad() { values.require_grad() } else { values }
            })
        });
        linear
    }
}
