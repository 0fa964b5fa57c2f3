//! Spatio-temporal transformer: encoder and decoder of the latent action model.
//!
//! Legend of the shapes: `[batch, time, tokens, dim]`, where the first `height·width` tokens of a frame are its patches in
//! row-major order and any further ones are extra tokens (the condition), last.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attention::{Attention, Axis};
use crate::conditioning::Conditioning;
use crate::feed_forward::FeedForward;
use crate::norm::LayerNorm;
use crate::position_generator::PositionGenerator;
use crate::{Error, Result};

/// Size and kind of a [`StTransformer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StTransformerConfig {
    /// Width of a token, in channels (768 in the release, reference 3).
    pub dim: usize,
    /// Number of layers (6 in the release's encoder, 8 in its decoder, reference 3).
    pub depth: usize,
    /// Heads of each attention (16 in the release, reference 3).
    pub heads: usize,
    /// Channels of a head (64 in the release, reference 3); even, because time is rotated in pairs of channels.
    pub head_dim: usize,
    /// Share of the feed-forward activations dropped in training, in [0, 1) (0.1 in the release, reference 3).
    pub feed_forward_dropout: f64,
    /// Whether a frame sees only the frames up to itself: the decoder's choice (reference 3.5).
    pub causal: bool,
    /// Whether each layer is modulated by one vector per frame: the decoder's choice (reference 3.5).
    pub conditioned: bool,
}

impl StTransformerConfig {
    /// Faults of the configuration, all of them.
    pub fn validate(&self) -> Result<()> {
        let mut faults = Vec::new();
        for (name, value) in
            [("dim", self.dim), ("depth", self.depth), ("heads", self.heads), ("head_dim", self.head_dim)]
        {
            if value == 0 {
                faults.push(format!("`{name}` is 0"));
            }
        }
        if !self.head_dim.is_multiple_of(2) {
            faults.push(format!("`head_dim` is {}, but must be even", self.head_dim));
        }
        if !(0.0..1.0).contains(&self.feed_forward_dropout) {
            faults.push(format!("`feed_forward_dropout` is {}, but must be in [0, 1)", self.feed_forward_dropout));
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults.join("; "))) }
    }

    /// A transformer with random weights.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault of the configuration.
    pub fn init(&self, device: &Device) -> Result<StTransformer> {
        self.validate()?;
        let layers = (0..self.depth)
            .map(|_| Layer {
                conditioning: self.conditioned.then(|| Conditioning::new(self.dim, device)),
                position: PositionGenerator::new(self.dim, self.causal, device),
                spatial: Attention::new(self.dim, self.heads, self.head_dim, Axis::Space, device),
                temporal: Attention::new(
                    self.dim,
                    self.heads,
                    self.head_dim,
                    Axis::Time { causal: self.causal },
                    device,
                ),
                feed_forward: FeedForward::new(self.dim, self.feed_forward_dropout, device),
            })
            .collect();
        Ok(StTransformer { layers, norm_out: LayerNorm::new(self.dim, device) })
    }
}

/// Layers of attention along time and among patches (reference 2).
#[derive(Module, Debug)]
pub struct StTransformer {
    /// In order.
    pub layers: Vec<Layer>,
    /// Closing norm.
    pub norm_out: LayerNorm,
}

/// One layer; its parts in the order in which the reference names them, not the order in which they act.
#[derive(Module, Debug)]
pub struct Layer {
    /// Modulation by the frame's condition, in the decoder.
    pub conditioning: Option<Conditioning>,
    /// Position generator.
    pub position: PositionGenerator,
    /// Attention among the tokens of a frame.
    pub spatial: Attention,
    /// Attention of each token along time.
    pub temporal: Attention,
    /// Gated feed-forward.
    pub feed_forward: FeedForward,
}

/// What a [`StTransformer`] takes beside its tokens.
#[derive(Debug, Default)]
pub struct StInputs {
    /// One vector per frame, `[batch, time, dim]`; needed exactly if the layers are conditioned.
    pub condition: Option<Tensor<3>>,
    /// Added to the logits among the tokens of a frame, `[heads, tokens, tokens]`.
    pub spatial_bias: Option<Tensor<3>>,
    /// True where a frame counts as a key along time, `[batch, time]`.
    pub frame_mask: Option<Tensor<2, Bool>>,
}

impl StTransformer {
    /// # Shapes
    /// `x`: `[batch, time, tokens, dim]` with at least `height·width` tokens → the same.
    ///
    /// # Panics
    /// If the layers are conditioned and there is no condition, or the other way round.
    pub fn forward(&self, x: Tensor<4>, grid: [usize; 2], inputs: &StInputs) -> Tensor<4> {
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x, grid, inputs));
        self.norm_out.forward(x)
    }
}

impl Layer {
    fn forward(&self, x: Tensor<4>, grid: [usize; 2], inputs: &StInputs) -> Tensor<4> {
        let x = match (&self.conditioning, &inputs.condition) {
            (Some(conditioning), Some(condition)) => conditioning.forward(x, condition.clone()),
            (None, None) => x,
            (layer, _) => panic!("a condition was given: {}, but is needed: {}", layer.is_none(), layer.is_some()),
        };
        let x = self.position.add_to(x, grid);
        // Time comes before space, although the reference numbers them the other way round (reference 0.3).
        let x = x.clone() + self.attend_in_time(x, inputs.frame_mask.as_ref());
        let x = x.clone() + self.attend_in_space(x, inputs.spatial_bias.as_ref());
        x.clone() + self.feed_forward.forward(x)
    }

    /// Each token is a sequence of its own over time.
    fn attend_in_time(&self, x: Tensor<4>, frame_mask: Option<&Tensor<2, Bool>>) -> Tensor<4> {
        self.temporal.forward_side_by_side(x, None, frame_mask.cloned())
    }

    fn attend_in_space(&self, x: Tensor<4>, bias: Option<&Tensor<3>>) -> Tensor<4> {
        let [batch, time, tokens, dim] = x.dims();
        let frames = x.reshape([batch * time, tokens, dim]);
        self.spatial.forward(frames, bias.cloned(), None).reshape([batch, time, tokens, dim])
    }
}
