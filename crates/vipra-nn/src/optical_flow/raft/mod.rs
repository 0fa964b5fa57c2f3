//! Recurrent all-pairs field transforms (RAFT, arXiv 2003.12039), as torchvision's `raft_large` (reference 4).

mod correlation;
mod encoder;
mod model;
mod update;
mod upsample;

pub use encoder::{ConvNorm, Encoder, FrozenBatchNorm, ResidualBlock};
pub use model::{Encoded, Raft, RaftConfig};
pub use update::{FlowHead, MaskPredictor, MotionEncoder, RecurrentBlock, RecurrentUnit, UpdateBlock};

use crate::weights::{Names, Rename};

const NAMES: &[Rename] = &[
    Rename::new("Encoder", "stem", "convnormrelu"),
    Rename::new("Encoder", "head", "conv"),
    Rename::list("Encoder", "blocks", "", &["layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1"]),
    Rename::new("ResidualBlock", "first", "convnormrelu1"),
    Rename::new("ResidualBlock", "second", "convnormrelu2"),
    Rename::new("ResidualBlock", "shortcut", "downsample"),
    Rename::new("ConvNorm", "convolution", "0"),
    Rename::new("ConvNorm", "norm", "1"),
    Rename::new("UpdateBlock", "recurrent", "recurrent_block"),
    Rename::new("MotionEncoder", "correlation_1", "convcorr1.0"),
    Rename::new("MotionEncoder", "correlation_2", "convcorr2.0"),
    Rename::new("MotionEncoder", "flow_1", "convflow1.0"),
    Rename::new("MotionEncoder", "flow_2", "convflow2.0"),
    Rename::new("MotionEncoder", "output", "conv.0"),
    Rename::new("RecurrentBlock", "across", "convgru1"),
    Rename::new("RecurrentBlock", "down", "convgru2"),
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
