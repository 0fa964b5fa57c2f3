//! The decoder side: from past frames and codes to the next frames.

use burn::tensor::Tensor;
use vipra_nn::ops;
use vipra_nn::st_transformer::StInputs;

use super::laq::{CHANNELS, Laq};
use crate::{Error, Result};

impl Laq {
    /// Rebuilds the frame that follows each frame, from the frames so far and the codes of the transition. Not clipped.
    ///
    /// # Shapes
    /// `frames`: `[batch, time, 3, height, width]`, `latents`: `[batch, time, code_length, code_dim]` →
    /// `[batch, time, 3, height, width]`, one frame later.
    ///
    /// # Errors
    /// [`Error::Size`] for another frame size, or if there are not as many transitions as frames.
    pub fn decode(&self, frames: Tensor<5>, latents: Tensor<4>) -> Result<Tensor<5>> {
        self.check_clip(&frames, 1)?;
        let [batch, time, channels, height, width] = frames.dims();
        self.check_latents(&latents, [batch, time])?;
        let condition = self.condition(latents);
        let tokens = self.frame_embedding.forward(frames.reshape([batch * time, channels, height, width]));
        let [_, patches, dim] = tokens.dims();
        let tokens = tokens.reshape([batch, time, patches, dim]);
        // The condition modulates every layer and is the last token of its frame besides (reference 3.5).
        let tokens = Tensor::cat(vec![tokens, condition.clone().unsqueeze_dim(2)], 2);

        let grid = self.config.grid();
        let inputs = StInputs {
            condition: Some(condition),
            spatial_bias: Some(pad_bias(self.decoder_bias.forward(grid))),
            frame_mask: None,
        };
        let tokens = self.decoder.forward(tokens, grid, &inputs).narrow(2, 0, patches);
        let pixels = ops::linear(&self.to_pixels, tokens);
        let pixels = pixels.reshape([batch * time, patches, CHANNELS * self.config.patch * self.config.patch]);
        let frames = ops::join_patches(pixels, CHANNELS, grid, self.config.patch);
        Ok(frames.reshape([batch, time, channels, height, width]))
    }

    /// The decoder's condition: one vector from the codes of each transition.
    ///
    /// # Shapes
    /// `[batch, transitions, code_length, code_dim]` → `[batch, transitions, dim]`
    pub fn condition(&self, latents: Tensor<4>) -> Tensor<3> {
        let [batch, transitions, code_length, code_dim] = latents.dims();
        let flat = latents.reshape([batch, transitions, code_length * code_dim]);
        self.condition.feed_forward.forward(ops::linear(&self.condition.linear, flat))
    }

    /// Checks that there is one set of codes for each of `[batch, transitions]`.
    pub(super) fn check_latents(&self, latents: &Tensor<4>, of: [usize; 2]) -> Result<()> {
        let [batch, transitions] = of;
        let expected = [batch, transitions, self.config.code_length, self.config.quantizer.dim];
        if latents.dims() == expected {
            return Ok(());
        }
        Err(Error::Size { what: "the codes", expected: format!("{expected:?}"), found: latents.dims().to_vec() })
    }
}

/// Pads the bias with zeros for the condition token: no bias between it and the patches, in either direction.
///
/// # Shapes
/// `[heads, patches, patches]` → `[heads, patches + 1, patches + 1]`
fn pad_bias(bias: Tensor<3>) -> Tensor<3> {
    let [heads, patches, _] = bias.dims();
    let device = bias.device();
    let bias = Tensor::cat(vec![bias, Tensor::zeros([heads, patches, 1], &device)], 2);
    Tensor::cat(vec![bias, Tensor::zeros([heads, 1, patches + 1], &device)], 1)
}
