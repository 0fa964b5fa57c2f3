//! Configuration of the model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Most codes: a token is stored in two bytes.
const MAX_CODES: usize = 1 << 16;
/// Most levels; more would need frames of more than 4000 pixels a side.
pub(super) const MAX_LEVELS: usize = 12;
/// Most blocks of a level.
pub(super) const MAX_BLOCKS: usize = 8;

/// Size of the frame tokenizer (defaults: the release's, reference 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VqganConfig {
    /// Height and width of a frame, in pixels. The tokenizer's frames are brought to this size, whatever `data.image` says.
    pub frame_size: [usize; 2],
    /// Channels at the frame's full size, before the first multiplier.
    #[schemars(range(min = 1))]
    pub width: usize,
    /// Channels of each level, as multiples of `width`. Between two levels height and width are halved.
    pub multipliers: Vec<usize>,
    /// Residual blocks of a level; the decoder has one more.
    #[schemars(range(min = 1, max = 8))]
    pub blocks: usize,
    /// Groups of channels that are normalised together; divides the channels of every level.
    #[schemars(range(min = 1))]
    pub groups: usize,
    /// Channels between the encoder and the codes.
    #[schemars(range(min = 1))]
    pub latent_dim: usize,
    /// Number of codes.
    #[schemars(range(min = 2, max = 65536))]
    pub codes: usize,
    /// Channels of a code.
    #[schemars(range(min = 1))]
    pub code_dim: usize,
}

impl Default for VqganConfig {
    fn default() -> Self {
        Self {
            frame_size: [256, 256],
            width: 128,
            multipliers: vec![1, 2, 2, 4, 6],
            blocks: 2,
            groups: 32,
            latent_dim: 64,
            codes: 8192,
            code_dim: 64,
        }
    }
}

impl VqganConfig {
    /// Rows and columns of tokens.
    pub fn grid(&self) -> [usize; 2] {
        self.frame_size.map(|side| side / self.shrinking())
    }

    /// Tokens of a frame, row by row.
    pub fn tokens_per_frame(&self) -> usize {
        self.grid().iter().product()
    }

    /// Channels of each level.
    pub fn widths(&self) -> Vec<usize> {
        self.multipliers.iter().map(|multiplier| self.width * multiplier).collect()
    }

    /// Side of the part of a frame that one token stands for, in pixels.
    fn shrinking(&self) -> usize {
        1 << self.multipliers.len().saturating_sub(1).min(MAX_LEVELS)
    }

    /// Checks the configuration.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all faults.
    pub fn validate(&self) -> Result<()> {
        let mut faults = Vec::new();
        let Self { frame_size: [height, width], groups, .. } = *self;
        let levels = self.multipliers.len();
        if levels == 0 || levels > MAX_LEVELS || self.multipliers.contains(&0) {
            faults.push(format!("`multipliers` must be 1 to {MAX_LEVELS} numbers from 1 on"));
        }
        if self.blocks == 0 || self.blocks > MAX_BLOCKS {
            faults.push(format!("`blocks` is {}, but must be from 1 to {MAX_BLOCKS}", self.blocks));
        }
        if [height, width].iter().any(|side| *side == 0 || side % self.shrinking() != 0) {
            faults.push(format!(
                "`frame_size` {height}×{width} is not divisible by {}, into which {levels} levels shrink it",
                self.shrinking()
            ));
        }
        if groups == 0 {
            faults.push("`groups` must not be 0".to_owned());
        } else if let Some(misfit) = self.widths().into_iter().find(|width| *width == 0 || width % groups != 0) {
            faults.push(format!("`groups` {groups} does not divide the {misfit} channels of a level"));
        }
        if !(2..=MAX_CODES).contains(&self.codes) {
            faults.push(format!("`codes` is {}, but must be from 2 to {MAX_CODES}", self.codes));
        }
        if self.latent_dim == 0 || self.code_dim == 0 {
            faults.push("`latent_dim` and `code_dim` must not be 0".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults.join("; "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::VqganConfig;

    #[test]
    fn the_release_has_256_tokens_and_small_faults_are_named_together() {
        let release = VqganConfig::default();
        release.validate().unwrap();
        assert_eq!((release.grid(), release.tokens_per_frame()), ([16, 16], 256));
        let wrong = VqganConfig { frame_size: [250, 256], width: 8, codes: 1 << 17, ..release };
        let message = wrong.validate().unwrap_err().to_string();
        for part in
            ["250×256 is not divisible by 16", "`groups` 32 does not divide the 8 channels", "`codes` is 131072"]
        {
            assert!(message.contains(part), "{message}");
        }
    }
}
