//! The encoder side: from frames to codes.

use burn::tensor::{Int, Tensor};
use vipra_nn::ops;
use vipra_nn::st_transformer::StInputs;

use super::laq::Laq;
use crate::Result;
use crate::quantizer::Quantized;

/// Result of the training path.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    /// Rebuilt frames 1, 2, …, not clipped, `[batch, transitions, 3, height, width]`.
    pub frames: Tensor<5>,
    /// What entered the quantiser, `[batch·transitions·code_length, code_dim]`.
    pub vectors: Tensor<2>,
    /// Quantised vectors, `[batch, transitions, code_length, code_dim]`.
    pub latents: Tensor<4>,
    /// `[batch, transitions, code_length]`
    pub codes: Tensor<3, Int>,
}

/// Codes of a clip.
#[derive(Debug, Clone)]
pub struct Inference {
    /// Vectors of the codes, `[batch, transitions, code_length, code_dim]`.
    pub latents: Tensor<4>,
    /// `[batch, transitions, code_length]`
    pub codes: Tensor<3, Int>,
}

impl Laq {
    /// The training path: encode, substitute noise for the quantisation error, decode.
    ///
    /// # Shapes
    /// `clip`: `[batch, time, 3, height, width]` in [0, 1], `noise` (standard normal):
    /// `[batch·(time − 1)·code_length, code_dim]`.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for another frame size or fewer than two frames.
    pub fn reconstruct(&self, clip: Tensor<5>, noise: Tensor<2>) -> Result<Reconstruction> {
        self.reconstruct_scaled(clip, noise, 1.0)
    }

    /// As [`reconstruct`](Self::reconstruct), with the noise scaled by `noise_scale`, in [0, 1].
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for another frame size or fewer than two frames.
    pub fn reconstruct_scaled(&self, clip: Tensor<5>, noise: Tensor<2>, noise_scale: f64) -> Result<Reconstruction> {
        let [batch, time, ..] = clip.dims();
        let vectors = self.encode(clip.clone())?;
        let quantized = self.quantizer.substitute_scaled(vectors.clone(), noise, noise_scale);
        let Inference { latents, codes } = self.shape_codes(quantized, batch);
        let frames = self.decode(clip.narrow(1, 0, time - 1), latents.clone())?;
        Ok(Reconstruction { frames, vectors, latents, codes })
    }

    /// The codes of a clip's transitions.
    ///
    /// # Shapes
    /// `clip`: `[batch, time, 3, height, width]` in [0, 1].
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for another frame size or fewer than two frames.
    pub fn infer(&self, clip: Tensor<5>) -> Result<Inference> {
        let batch = clip.dims()[0];
        Ok(self.codes_of(self.encode(clip)?, batch))
    }

    /// The codes of a batch of clips, from the output of [`encode`](Self::encode).
    ///
    /// # Shapes
    /// `vectors`: `[batch·transitions·code_length, code_dim]`.
    pub fn codes_of(&self, vectors: Tensor<2>, batch: usize) -> Inference {
        self.shape_codes(self.quantizer.quantize(vectors), batch)
    }

    /// The codes of a clip from the features of its frames ([`encode_frames`](Self::encode_frames)), so that overlapping
    /// windows share the work of the spatial encoder.
    ///
    /// # Shapes
    /// `features`: `[batch, time, patches, dim]`.
    pub fn infer_from_features(&self, features: Tensor<4>) -> Inference {
        let batch = features.dims()[0];
        self.codes_of(self.to_code_vectors(self.encode_features(features)), batch)
    }

    /// The vectors that enter the quantiser.
    ///
    /// # Shapes
    /// `clip`: `[batch, time, 3, height, width]` → `[batch·(time − 1)·code_length, code_dim]`, in the order batch,
    /// transition, row, column.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for another frame size or fewer than two frames.
    pub fn encode(&self, clip: Tensor<5>) -> Result<Tensor<2>> {
        self.check_clip(&clip, 2)?;
        let [batch, time, channels, height, width] = clip.dims();
        let features = self.encode_frames(clip.reshape([batch * time, channels, height, width]));
        let [_, patches, dim] = features.dims();
        let tokens = self.encode_features(features.reshape([batch, time, patches, dim]));
        Ok(self.to_code_vectors(tokens))
    }

    /// Features of single frames.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` in [0, 1] → `[frames, patches, dim]`
    pub fn encode_frames(&self, frames: Tensor<4>) -> Tensor<3> {
        self.spatial_encoder.forward(frames)
    }

    /// Contextualises features over the whole clip, future included. Masked frames are attended to as well: masks only enter
    /// the losses (reference 3.3).
    ///
    /// # Shapes
    /// `[batch, time, patches, dim]` → the same.
    pub fn encode_features(&self, features: Tensor<4>) -> Tensor<4> {
        let grid = self.config.grid();
        let spatial_bias = Some(self.encoder_bias.forward(grid));
        self.encoder.forward(features, grid, &StInputs { spatial_bias, ..StInputs::default() })
    }

    /// The vectors that enter the quantiser, from the encoder's tokens.
    ///
    /// # Shapes
    /// `tokens`: `[batch, time, patches, dim]` → `[batch·(time − 1)·code_length, code_dim]`
    pub fn to_code_vectors(&self, tokens: Tensor<4>) -> Tensor<2> {
        let [batch, time, _, _] = tokens.dims();
        let later = tokens.clone().narrow(1, 1, time - 1);
        let of_transitions = if self.config.encode_deltas { later - tokens.narrow(1, 0, time - 1) } else { later };
        let projected = ops::linear(&self.to_code_dim, of_transitions);
        let vectors = self.down_sampler.forward(projected, self.config.grid());
        let vectors = match &self.standard {
            Some(standard) => standard.apply(vectors),
            None => vectors,
        };
        let [_, transitions, code_length, code_dim] = vectors.dims();
        vectors.reshape([batch * transitions * code_length, code_dim])
    }

    /// The model with its running mean and standard deviation moved towards those of a batch by `share`, in [0, 1]. Changes
    /// nothing if the model does not standardise its encoder's outputs.
    ///
    /// # Shapes
    /// `vectors`: what entered the quantiser, `[batch·transitions·code_length, code_dim]`.
    pub fn update_standardization(mut self, vectors: Tensor<2>, share: f64) -> Self {
        self.standard = self.standard.map(|standard| standard.updated(vectors, share));
        self
    }

    fn shape_codes(&self, quantized: Quantized, batch: usize) -> Inference {
        let [vectors, code_dim] = quantized.values.dims();
        let code_length = self.config.code_length;
        let transitions = vectors / (batch * code_length);
        Inference {
            latents: quantized.values.reshape([batch, transitions, code_length, code_dim]),
            codes: quantized.codes.reshape([batch, transitions, code_length]),
        }
    }
}
