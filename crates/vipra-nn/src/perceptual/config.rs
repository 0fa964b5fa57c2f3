//! Configuration of the network whose features are compared.

use std::path::PathBuf;

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lpips::{Lpips, LpipsConfig};
use super::vgg::BLOCKS;
use crate::Result;
use crate::weights::Weights;

/// The network in whose features pictures are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerceptualConfig {
    /// Weights of VGG16, of torchvision or of the package lpips (`.pth` or safetensors). Without, an encoder of the run's
    /// own is trained first, and frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub convolutions: Option<PathBuf>,
    /// Weights of the linear heads of LPIPS, of the package lpips; needed with `convolutions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<PathBuf>,
    /// Channels of the five blocks of the run's own encoder.
    pub widths: [usize; BLOCKS],
    /// Steps for which the run's own encoder is trained to rebuild frames.
    #[schemars(range(min = 1))]
    pub steps: u64,
}

impl Default for PerceptualConfig {
    fn default() -> Self {
        Self { convolutions: None, heads: None, widths: [8, 16, 32, 32, 32], steps: 200 }
    }
}

impl PerceptualConfig {
    /// The network from the configured files, if there are any.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn load(&self, device: &Device) -> Result<Option<Lpips>> {
        let (Some(convolutions), Some(heads)) = (&self.convolutions, &self.heads) else { return Ok(None) };
        let (convolutions, heads) = (Weights::read(convolutions)?, Weights::read(heads)?);
        Ok(Some(LpipsConfig::default().load(&convolutions, &heads, "", device)?))
    }

    /// Checks what the types cannot express; lists all faults.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.convolutions.is_some() != self.heads.is_some() {
            faults.push("the convolutions and the heads of LPIPS are needed together".to_owned());
        }
        if self.widths.contains(&0) || self.steps == 0 {
            faults.push("`widths` and `steps` must not be 0".to_owned());
        }
        faults
    }
}
