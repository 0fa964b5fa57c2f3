//! Recurrent all-pairs field transforms (RAFT, arXiv 2003.12039), as torchvision's `raft_large` (reference 4) and `raft_small`.

mod correlation;
mod encoder;
mod model;
mod update;
mod upsample;

pub use encoder::{BlockKind, ConvNorm, Encoder, EncoderConfig, FrozenBatchNorm, NormKind, ResidualBlock};
pub use model::{Encoded, Raft, RaftConfig};
pub use update::{FlowHead, MaskPredictor, MotionEncoder, RecurrentBlock, RecurrentUnit, UpdateBlock};

use crate::weights::{Names, Rename};

const NAMES: &[Rename] = &[
    Rename::new("Encoder", "stem", "convnormrelu"),
    Rename::new("Encoder", "head", "conv"),
    Rename::list("Encoder", "blocks", "", &["layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1"]),
    Rename::list("ResidualBlock", "layers", "", &["convnormrelu1", "convnormrelu2", "convnormrelu3"]),
    Rename::new("ResidualBlock", "shortcut", "downsample"),
    Rename::new("ConvNorm", "convolution", "0"),
    Rename::new("ConvNorm", "norm", "1"),
    Rename::new("UpdateBlock", "recurrent", "recurrent_block"),
    Rename::list("MotionEncoder", "correlation", "", &["convcorr1.0", "convcorr2.0"]),
    Rename::list("MotionEncoder", "flow", "", &["convflow1.0", "convflow2.0"]),
    Rename::new("MotionEncoder", "output", "conv.0"),
    Rename::list("RecurrentBlock", "units", "", &["convgru1", "convgru2"]),
    Rename::new("RecurrentUnit", "update", "convz"),
    Rename::new("RecurrentUnit", "reset", "convr"),
    Rename::new("RecurrentUnit", "candidate", "convq"),
    Rename::new("FlowHead", "hidden", "conv1"),
    Rename::new("FlowHead", "output", "conv2"),
    Rename::new("MaskPredictor", "hidden", "convrelu.0"),
    Rename::new("MaskPredictor", "output", "conv"),
];

/// Counters that torchvision's files carry for training.
const UNUSED: &[&str] = &["num_batches_tracked"];

/// Names of the parameters in torchvision's files.
pub fn torchvision_names() -> Names {
    Names::default().rename(NAMES).ignore(UNUSED)
}
