//! The parts of the model and their names in the reference.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use vipra_nn::feed_forward::FeedForward;
use vipra_nn::norm::AffineLayerNorm;
use vipra_nn::patch_embedding::PatchEmbedding;
use vipra_nn::position_bias::ContinuousPositionBias;
use vipra_nn::st_transformer::StTransformer;
use vipra_nn::weights::{Names, Rename};

use super::config::LaqConfig;
use super::down_sampler::DownSampler;
use super::standardization::OutputStandardization;
use crate::quantizer::Nsvq;
use crate::spatial_encoder::{DINO_NAMES, DINO_UNUSED, SpatialEncoder};
use crate::{Error, Result};

/// Colour channels of a frame.
pub(super) const CHANNELS: usize = 3;
/// Factor on PyTorch's initial weights of the condition's last layer, which brings its output to a standard deviation of
/// about 1.
const INITIAL_GAIN: f64 = 9.0;

/// The latent action model (reference 3).
#[derive(Module, Debug)]
pub struct Laq {
    /// Features of single frames.
    pub spatial_encoder: SpatialEncoder,
    /// Position bias of the encoder.
    pub encoder_bias: ContinuousPositionBias,
    /// The spatio-temporal encoder, which sees the whole clip, future included.
    pub encoder: StTransformer,
    /// `dim → code_dim`
    pub to_code_dim: Linear,
    /// From patches to codes.
    pub down_sampler: DownSampler,
    /// Standardisation of the encoder's outputs before the quantiser, if it is configured.
    pub standard: Option<OutputStandardization>,
    /// The codebook.
    pub quantizer: Nsvq,
    /// From a transition's codes to the decoder's condition.
    pub condition: ConditionHead,
    /// The decoder's embedding of frames.
    pub frame_embedding: FrameEmbedding,
    /// Position bias of the decoder.
    pub decoder_bias: ContinuousPositionBias,
    /// The causal decoder, which sees the past only.
    pub decoder: StTransformer,
    /// `dim → 3·patch²`
    pub to_pixels: Linear,
    /// The configuration that the model was made from.
    #[module(skip)]
    pub config: LaqConfig,
}

/// Maps the codes of a transition to one vector (reference 3.5).
#[derive(Module, Debug)]
pub struct ConditionHead {
    /// `code_length·code_dim → dim`
    pub linear: Linear,
    /// Feed-forward layer, without a residual connection.
    pub feed_forward: FeedForward,
}

impl ConditionHead {
    /// A head whose output is about as large as a normalised token. With PyTorch's initial weights it would be a tenth of
    /// that, and the decoder would ignore the condition for thousands of steps.
    pub(super) fn new(input: usize, dim: usize, dropout: f64, device: &Device) -> Self {
        let uniform = |bound: f64| Initializer::Uniform { min: -bound, max: bound };
        let mut feed_forward = FeedForward::new(dim, dropout, device);
        let inner = FeedForward::inner_dim(dim);
        let bound = INITIAL_GAIN / (inner as f64).sqrt();
        feed_forward.contract.weight = uniform(bound).init([inner, dim], device);
        Self { linear: zero_bias_linear(input, dim, device), feed_forward }
    }
}

/// A linear layer whose bias starts at zero: between frames and the decoder's condition, an offset common to all transitions
/// would drown their differences.
pub(super) fn zero_bias_linear(input: usize, output: usize, device: &Device) -> Linear {
    let mut layer = LinearConfig::new(input, output).init(device);
    layer.bias = Some(Initializer::Zeros.init([output], device));
    layer
}

/// Patches of the raw pixels, normalised (reference 3.5).
#[derive(Module, Debug)]
pub struct FrameEmbedding {
    /// Patch projection.
    pub proj: PatchEmbedding,
    /// Norm of the projected patches.
    pub norm: AffineLayerNorm,
}

impl FrameEmbedding {
    /// Embeds the patches of frames.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` → `[frames, patches, dim]`
    pub fn forward(&self, frames: Tensor<4>) -> Tensor<3> {
        self.norm.forward(self.proj.forward(frames))
    }
}

const LAQ_NAMES: &[Rename] = &[
    Rename::new("Laq", "spatial_encoder", "enc_spatial_transformer.model"),
    Rename::new("Laq", "encoder_bias", "enc_spatial_rel_pos_bias"),
    Rename::new("Laq", "encoder", "enc_st_transformer"),
    Rename::new("Laq", "to_code_dim", "vq_project_in"),
    Rename::new("Laq", "down_sampler", "vq_encoder"),
    Rename::new("Laq", "quantizer", "vq"),
    Rename::new("Laq", "condition", "vq_to_cond"),
    Rename::new("Laq", "frame_embedding", "dec_patchify"),
    Rename::new("Laq", "decoder_bias", "dec_spatial_rel_pos_bias"),
    Rename::new("Laq", "decoder", "dec_transformer"),
    Rename::new("Laq", "to_pixels", "to_pixels.0"),
    // The activations between the convolutions are numbered too.
    Rename::list("DownSampler", "convolutions", "", &["0", "2", "4", "6", "8", "10"]),
    Rename::new("ConditionHead", "linear", "1"),
    Rename::new("ConditionHead", "feed_forward", "2"),
];

/// Names in the reference's checkpoints without a counterpart here: a layer that is never called, and the usage counts of
/// codes (reference 0.4, 1).
const LAQ_UNUSED: &[&str] = &["fusion_layer", "codebooks_used"];

/// Names of the model's parameters in the reference's checkpoints.
pub fn reference_names() -> Names {
    Names::blocks().rename(LAQ_NAMES).rename(DINO_NAMES).ignore(LAQ_UNUSED).ignore(DINO_UNUSED)
}

impl Laq {
    /// Checks that a clip has the frame size of the configuration and at least `min_frames` frames.
    pub(super) fn check_clip(&self, clip: &Tensor<5>, min_frames: usize) -> Result<()> {
        let found = clip.dims();
        let [_, time, channels, height, width] = found;
        let [frame_height, frame_width] = self.config.frame_size;
        if channels == CHANNELS && [height, width] == self.config.frame_size && time >= min_frames {
            return Ok(());
        }
        let expected = format!("[batch, at least {min_frames}, {CHANNELS}, {frame_height}, {frame_width}]");
        Err(Error::Size { what: "the clip", expected, found: found.to_vec() })
    }
}
