//! Rollouts: frames predicted from given frames and codes.

use burn::tensor::Tensor;

use super::laq::Laq;
use crate::{Error, Result};

impl Laq {
    /// Continues a clip with given codes; each predicted frame, unclipped, is fed back as input (reference 3.6).
    ///
    /// # Shapes
    /// `first`: `[batch, given, 3, height, width]`, `latents`: `[batch, transitions, code_length, code_dim]`, the first
    /// `given − 1` of them for the transitions between the given frames → `[batch, transitions − given + 1, 3, height,
    /// width]`
    ///
    /// # Errors
    /// [`Error::Size`] for another frame size, or fewer transitions than given frames.
    pub fn rollout(&self, first: Tensor<5>, latents: Tensor<4>) -> Result<Tensor<5>> {
        self.check_clip(&first, 1)?;
        let [batch, given, ..] = first.dims();
        let [_, transitions, ..] = latents.dims();
        if transitions < given {
            let expected = format!("of at least {given} transitions");
            return Err(Error::Size { what: "the codes", expected, found: latents.dims().to_vec() });
        }
        self.check_latents(&latents, [batch, transitions])?;
        let mut frames = first;
        for seen in given..=transitions {
            let next = self.decode(frames.clone(), latents.clone().narrow(1, 0, seen))?;
            frames = Tensor::cat(vec![frames, next.narrow(1, seen - 1, 1)], 1);
        }
        Ok(frames.narrow(1, given, transitions - given + 1))
    }

    /// Transfers motion: rolls the codes of `source` out from the frame `target`.
    ///
    /// # Shapes
    /// `source`: `[batch, time, 3, height, width]`, `target`: `[batch, 3, height, width]` →
    /// `[batch, time − 1, 3, height, width]`
    ///
    /// # Errors
    /// [`Error::Size`] for another frame size or fewer than two frames.
    pub fn transfer(&self, source: Tensor<5>, target: Tensor<4>) -> Result<Tensor<5>> {
        let latents = self.infer(source)?.latents;
        self.rollout(target.unsqueeze_dim(1), latents)
    }
}
