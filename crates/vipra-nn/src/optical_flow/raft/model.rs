//! The network and its iteration.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::correlation::{Correlation, coordinates};
use super::encoder::{BlockKind, Encoder, EncoderConfig, NormKind};
use super::torchvision_names;
use super::update::{MaskPredictor, UpdateBlock};
use super::upsample::{FACTOR, upsample_by_mask, upsample_evenly};
use crate::optical_flow::FlowEstimator;
use crate::weights::{Weights, load};
use crate::{Error, Result};

/// Size of the network. The default is torchvision's `raft_large`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RaftConfig {
    /// Makes the features that are compared.
    pub feature_encoder: EncoderConfig,
    /// Makes the first hidden state and the context.
    pub context_encoder: EncoderConfig,
    /// Channels of the one or two layers that read similarities.
    pub motion_correlation: Vec<usize>,
    /// Channels of the two layers that read the flow.
    pub motion_flow: [usize; 2],
    /// Channels of the motion features, the flow's two among them.
    pub motion_output: usize,
    /// Channels of the hidden state; the rest of the context encoder's features is context.
    pub hidden: usize,
    /// Rows and columns of the kernels of the one or two recurrent units.
    pub recurrent: Vec<[usize; 2]>,
    /// Channels of the hidden layer before a change of the flow.
    pub flow_head: usize,
    /// Channels of the hidden layer before the upsampling mask. None: the flow is upsampled evenly.
    pub mask_hidden: Option<usize>,
    /// Resolutions at which similarities are looked up.
    pub correlation_levels: usize,
    /// How far around the current guess they are looked up, in places of that resolution.
    pub radius: usize,
    /// Steps of the iteration (12 in the reference, reference 4).
    pub updates: usize,
}

impl Default for RaftConfig {
    fn default() -> Self {
        Self::large()
    }
}

impl RaftConfig {
    /// torchvision's `raft_large`, 5.3 million parameters.
    pub fn large() -> Self {
        let encoder = |norm| EncoderConfig { widths: [64, 64, 96, 128, 256], block: BlockKind::Plain, norm };
        Self {
            feature_encoder: encoder(NormKind::Instance),
            context_encoder: encoder(NormKind::Batch),
            motion_correlation: vec![256, 192],
            motion_flow: [128, 64],
            motion_output: 128,
            hidden: 128,
            recurrent: vec![[1, 5], [5, 1]],
            flow_head: 256,
            mask_hidden: Some(256),
            correlation_levels: 4,
            radius: 4,
            updates: 12,
        }
    }

    /// torchvision's `raft_small`, 1.0 million parameters and about a quarter of the work.
    pub fn small() -> Self {
        let encoder =
            |output, norm| EncoderConfig { widths: [32, 32, 64, 96, output], block: BlockKind::Bottleneck, norm };
        Self {
            feature_encoder: encoder(128, NormKind::Instance),
            context_encoder: encoder(160, NormKind::None),
            motion_correlation: vec![96],
            motion_flow: [64, 32],
            motion_output: 82,
            hidden: 96,
            recurrent: vec![[3, 3]],
            flow_head: 128,
            mask_hidden: None,
            correlation_levels: 4,
            radius: 3,
            updates: 12,
        }
    }

    pub(super) fn context(&self) -> usize {
        self.context_encoder.widths[4] - self.hidden
    }

    pub(super) fn window_features(&self) -> usize {
        let side = 2 * self.radius + 1;
        self.correlation_levels * side * side
    }

    /// Smallest side of a picture: the coarsest resolution still has two places.
    fn smallest_side(&self) -> usize {
        FACTOR << self.correlation_levels
    }

    /// A network with random weights, for tests; nothing of it requires gradients.
    pub fn init(&self, device: &Device) -> Raft {
        Raft {
            feature_encoder: Encoder::new(&self.feature_encoder, device),
            context_encoder: Encoder::new(&self.context_encoder, device),
            update_block: UpdateBlock::new(self, device),
            mask_predictor: self.mask_hidden.map(|hidden| MaskPredictor::new(self.hidden, hidden, device)),
            config: self.clone(),
        }
        .no_grad()
    }

    /// The network with the weights of a file of torchvision, whose names begin with `prefix`, usually nothing.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with all names that do not fit.
    pub fn load(&self, weights: &Weights, prefix: &str, device: &Device) -> Result<Raft> {
        load(self.init(device), weights, &torchvision_names().prefix(prefix))
    }
}

/// RAFT, always in evaluation mode.
#[derive(Module, Debug)]
pub struct Raft {
    /// What is compared.
    pub feature_encoder: Encoder,
    /// What is known of the first picture besides.
    pub context_encoder: Encoder,
    /// The iteration.
    pub update_block: UpdateBlock,
    /// Weights of the upsampling, where it has weights.
    pub mask_predictor: Option<MaskPredictor>,
    /// What it was made from.
    #[module(skip)]
    pub config: RaftConfig,
}

/// What is found out about each picture on its own.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `[pictures, channels, height/8, width/8]`
    pub features: Tensor<4>,
    /// `[pictures, channels, height/8, width/8]`
    pub context: Tensor<4>,
}

impl Raft {
    /// Encodes pictures, once each.
    ///
    /// # Shapes
    /// `[pictures, 3, height, width]` in [0, 1]
    ///
    /// # Errors
    /// [`Error::Invalid`] for sides that 8 does not divide or that are smaller than 128 pixels.
    pub fn encode(&self, pictures: Tensor<4>) -> Result<Encoded> {
        let [_, _, height, width] = pictures.dims();
        let smallest = self.config.smallest_side();
        if height.min(width) < smallest || !height.is_multiple_of(FACTOR) || !width.is_multiple_of(FACTOR) {
            return Err(Error::Invalid(format!(
                "RAFT needs frames whose sides are multiples of {FACTOR} and at least {smallest} pixels, not \
                 {height}×{width}"
            )));
        }
        let pictures = pictures * 2.0 - 1.0;
        let features = self.feature_encoder.forward(pictures.clone());
        Ok(Encoded { features, context: self.context_encoder.forward(pictures) })
    }

    /// The flow after each of some updates.
    ///
    /// # Shapes
    /// Of encoded pairs → `updates` of `[pairs, 2, height, width]`
    pub fn iterate(&self, from: &Encoded, to: &Encoded, updates: usize) -> Vec<Tensor<4>> {
        let mut flows = Vec::with_capacity(updates);
        self.run(from, to, updates, |flow, hidden| flows.push(self.enlarge(flow, hidden)));
        flows
    }

    fn enlarge(&self, flow: &Tensor<4>, hidden: &Tensor<4>) -> Tensor<4> {
        match &self.mask_predictor {
            Some(predictor) => upsample_by_mask(flow.clone(), predictor.forward(hidden.clone())),
            None => upsample_evenly(flow.clone()),
        }
    }

    /// Calls `each` with the coarse flow and the hidden state after every update.
    fn run(&self, from: &Encoded, to: &Encoded, updates: usize, mut each: impl FnMut(&Tensor<4>, &Tensor<4>)) {
        let RaftConfig { correlation_levels, radius, hidden, .. } = self.config;
        let correlation = Correlation::new(from.features.clone(), to.features.clone(), correlation_levels, radius);
        let mut state = from.context.clone().narrow(1, 0, hidden).tanh();
        let context = activation::relu(from.context.clone().narrow(1, hidden, self.config.context()));
        let origin = coordinates(&from.features);
        let mut flow = origin.zeros_like();
        for _ in 0..updates {
            // Gradients pass through what was found at the guess, not through where it was looked for.
            let guess = flow.detach();
            let similarities = correlation.around(origin.clone() + guess.clone());
            let (next, change) = self.update_block.forward(state, context.clone(), similarities, guess.clone());
            state = next;
            flow = guess + change;
            each(&flow, &state);
        }
    }
}

impl FlowEstimator for Raft {
    fn flow(&self, pictures: Tensor<4>, from: Tensor<1, Int>, to: Tensor<1, Int>) -> Result<Tensor<4>> {
        let encoded = self.encode(pictures)?;
        let of = |indices: Tensor<1, Int>| Encoded {
            features: encoded.features.clone().select(0, indices.clone()),
            context: encoded.context.clone().select(0, indices),
        };
        let mut last = None;
        self.run(&of(from), &of(to), self.config.updates, |flow, hidden| last = Some((flow.clone(), hidden.clone())));
        // Only the last flow is enlarged: the others serve RAFT's own training.
        match last {
            Some((flow, hidden)) => Ok(self.enlarge(&flow, &hidden)),
            None => Err(Error::Invalid("RAFT needs at least one update".to_owned())),
        }
    }
}
