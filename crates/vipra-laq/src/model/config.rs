//! Configuration of the model.

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::norm::AffineLayerNorm;
use vipra_nn::patch_embedding::PatchEmbedding;
use vipra_nn::position_bias::ContinuousPositionBias;
use vipra_nn::st_transformer::StTransformerConfig;

use super::down_sampler::DownSampler;
use super::identity_init::init_as_identity;
use super::laq::{CHANNELS, ConditionHead, FrameEmbedding, Laq, zero_bias_linear};
use super::standardization::OutputStandardization;
use crate::quantizer::NsvqConfig;
use crate::spatial_encoder::SpatialEncoderConfig;
use crate::{Error, Result};

/// Epsilon of the norm after the decoder's patch projection (reference 3.5).
const PATCH_NORM_EPSILON: f64 = 1e-5;

/// Size of a [`Laq`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LaqConfig {
    /// Height and width of a frame, in pixels (224×224 in the release, reference 3).
    pub frame_size: [usize; 2],
    /// Side of a patch, in pixels; divides both sides of a frame (14 in the release, reference 3).
    pub patch: usize,
    /// Width of a token, in channels (768 in the release, reference 3).
    pub dim: usize,
    /// The encoder of single frames.
    pub spatial_encoder: SpatialEncoderConfig,
    /// Layers of the spatio-temporal encoder (6 in the release, reference 3).
    pub encoder_depth: usize,
    /// Layers of the spatio-temporal decoder (8 in the release, reference 3).
    pub decoder_depth: usize,
    /// Heads of the spatio-temporal attentions (16 in the release, reference 3).
    pub heads: usize,
    /// Channels of such a head, even (64 in the release, reference 3).
    pub head_dim: usize,
    /// Share of the feed-forward activations dropped in training, in [0, 1) (0.1 in the release, reference 3).
    pub feed_forward_dropout: f64,
    /// The codebook.
    pub quantizer: NsvqConfig,
    /// Codes per transition: what the patch grid comes down to when it is halved some times (16 in the release: 16×16
    /// patches halved twice, reference 3.4).
    pub code_length: usize,
    /// Quantise the difference of neighbouring frames' tokens in place of the later frame's tokens (published: no).
    pub encode_deltas: bool,
    /// Standardise the encoder's outputs at each of the first N transitions, so that codes do not encode where in the clip a
    /// transition lies. Use `data.clip.frames` - 1; 0 turns it off (published).
    pub centered_transitions: usize,
}

impl Default for LaqConfig {
    /// For a CPU: 64×64 pixels as 8×8 patches, 4 codes of 8.
    fn default() -> Self {
        Self {
            frame_size: [64, 64],
            patch: 8,
            dim: 128,
            spatial_encoder: SpatialEncoderConfig::default(),
            encoder_depth: 2,
            decoder_depth: 2,
            heads: 4,
            head_dim: 32,
            code_length: 4,
            ..Self::release()
        }
    }
}

impl LaqConfig {
    /// The released size (reference 3): DINOv2 ViT-B/14 with registers, 16 codes of 8.
    pub fn release() -> Self {
        Self {
            frame_size: [224, 224],
            patch: 14,
            dim: 768,
            spatial_encoder: SpatialEncoderConfig { depth: 12, heads: 12, registers: 4, position_grid: 37 },
            encoder_depth: 6,
            decoder_depth: 8,
            heads: 16,
            head_dim: 64,
            feed_forward_dropout: 0.1,
            quantizer: NsvqConfig::default(),
            code_length: 16,
            encode_deltas: false,
            centered_transitions: 0,
        }
    }

    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        self.frame_size.map(|side| side / self.patch.max(1))
    }

    /// All faults of the configuration in one error.
    ///
    /// # Errors
    /// [`Error::Invalid`], or [`Error::CodeLength`] if that is the only fault.
    pub fn validate(&self) -> Result<()> {
        let mut faults = Vec::new();
        let [height, width] = self.frame_size;
        if self.patch == 0 || height == 0 || width == 0 {
            faults.push("`frame_size` and `patch` must not be 0".to_owned());
        } else if !height.is_multiple_of(self.patch) || !width.is_multiple_of(self.patch) {
            faults.push(format!("`patch` {} does not divide `frame_size` {height}×{width}", self.patch));
        }
        let spatial = &self.spatial_encoder;
        if spatial.heads == 0 || !self.dim.is_multiple_of(spatial.heads) {
            faults.push(format!("`spatial_encoder.heads` {} does not divide `dim` {}", spatial.heads, self.dim));
        }
        if spatial.depth == 0 || spatial.position_grid == 0 {
            faults.push("`spatial_encoder.depth` and `spatial_encoder.position_grid` must not be 0".to_owned());
        }
        for transformer in [self.transformer(false), self.transformer(true)] {
            if let Err(error) = transformer.validate() {
                let side = if transformer.causal { "decoder" } else { "encoder" };
                faults.push(format!("{side}: {error}"));
            }
        }
        // A label is a byte.
        if !(2..=256).contains(&self.quantizer.codes) || self.quantizer.dim == 0 {
            faults.push("`quantizer` needs 2 to 256 `codes` and at least 1 `dim`".to_owned());
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults.join("; ")));
        }
        DownSampler::strides(self.grid(), self.code_length).map(|_| ())
    }

    /// A new model with random weights, except that its decoder repeats the current frame.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn init(&self, device: &Device) -> Result<Laq> {
        self.validate()?;
        let code_dim = self.quantizer.dim;
        let mut frame_embedding = FrameEmbedding {
            proj: PatchEmbedding::new(CHANNELS, self.dim, self.patch, device),
            norm: AffineLayerNorm::new(self.dim, PATCH_NORM_EPSILON, device),
        };
        let mut to_pixels = burn::nn::LinearConfig::new(self.dim, CHANNELS * self.patch * self.patch).init(device);
        init_as_identity(&mut frame_embedding, &mut to_pixels, self.patch, device);
        Ok(Laq {
            spatial_encoder: self.spatial_encoder.init(self.dim, self.patch, device),
            encoder_bias: ContinuousPositionBias::new(self.dim, self.heads, device),
            encoder: self.transformer(false).init(device)?,
            to_code_dim: zero_bias_linear(self.dim, code_dim, device),
            down_sampler: DownSampler::new(self.grid(), self.code_length, code_dim, device)?,
            standard: (self.centered_transitions > 0)
                .then(|| OutputStandardization::new([self.centered_transitions, self.code_length, code_dim], device)),
            quantizer: self.quantizer.init(device)?,
            condition: ConditionHead::new(self.code_length * code_dim, self.dim, self.feed_forward_dropout, device),
            frame_embedding,
            decoder_bias: ContinuousPositionBias::new(self.dim, self.heads, device),
            decoder: self.transformer(true).init(device)?,
            to_pixels,
            config: self.clone(),
        })
    }

    fn transformer(&self, decoder: bool) -> StTransformerConfig {
        StTransformerConfig {
            dim: self.dim,
            depth: if decoder { self.decoder_depth } else { self.encoder_depth },
            heads: self.heads,
            head_dim: self.head_dim,
            feed_forward_dropout: self.feed_forward_dropout,
            causal: decoder,
            conditioned: decoder,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tensor};

    use super::LaqConfig;

    #[test]
    fn the_release_and_the_default_are_valid() {
        for config in [LaqConfig::release(), LaqConfig::default()] {
            config.validate().unwrap();
        }
    }

    #[test]
    fn every_fault_is_named() {
        let mut config = LaqConfig { patch: 7, head_dim: 3, ..LaqConfig::default() };
        config.quantizer.codes = 1;
        let message = config.validate().unwrap_err().to_string();
        for fault in ["`patch` 7 does not divide", "`head_dim` is 3", "2 to 256 `codes`"] {
            assert!(message.contains(fault), "{message}");
        }
    }

    /// On a grid that is neither square nor even.
    #[test]
    fn oblong_frames_go_through() {
        let device = Device::flex();
        let config = LaqConfig { frame_size: [24, 40], dim: 16, code_length: 6, ..LaqConfig::default() };
        let laq = config.init(&device).unwrap();
        let clip = Tensor::<5>::random([2, 3, 3, 24, 40], Distribution::Uniform(0.0, 1.0), &device);
        let inference = laq.infer(clip.clone()).unwrap();
        assert_eq!(inference.codes.dims(), [2, 2, 6]);
        let frames = laq.rollout(clip.narrow(1, 0, 1), inference.latents).unwrap();
        assert_eq!(frames.dims(), [2, 2, 3, 24, 40]);
    }

    #[test]
    fn clips_of_another_size_are_refused() {
        let device = Device::flex();
        let laq = LaqConfig::default().init(&device).unwrap();
        let message = laq.infer(Tensor::zeros([1, 1, 3, 64, 64], &device)).unwrap_err().to_string();
        assert_eq!(message, "the clip is [1, 1, 3, 64, 64], but the model takes [batch, at least 2, 3, 64, 64]");
        assert!(laq.infer(Tensor::zeros([1, 2, 3, 64, 32], &device)).is_err());
        assert!(laq.infer(Tensor::zeros([1, 2, 3, 64, 64], &device)).is_ok());
    }
}
