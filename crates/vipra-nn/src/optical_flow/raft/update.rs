//! One step of the iteration: from what was found around the current guess to a better one.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor, activation};

use super::encoder::convolution;
use super::model::RaftConfig;

/// The recurrent part and its reading of the flow.
#[derive(Module, Debug)]
pub struct UpdateBlock {
    /// Reads similarities and flow.
    pub motion_encoder: MotionEncoder,
    /// Remembers.
    pub recurrent: RecurrentBlock,
    /// Speaks.
    pub flow_head: FlowHead,
}

impl UpdateBlock {
    pub(super) fn new(config: &RaftConfig, device: &Device) -> Self {
        let input = config.motion_output + config.context();
        Self {
            motion_encoder: MotionEncoder::new(config, device),
            recurrent: RecurrentBlock {
                across: RecurrentUnit::new(input, config.hidden, [1, 5], device),
                down: RecurrentUnit::new(input, config.hidden, [5, 1], device),
            },
            flow_head: FlowHead {
                hidden: convolution([config.hidden, config.flow_head], [3, 3], 1, device),
                output: convolution([config.flow_head, 2], [3, 3], 1, device),
            },
        }
    }

    /// The new hidden state and what to add to the flow.
    ///
    /// # Shapes
    /// All `[pairs, channels, height, width]`; the second result has 2 channels.
    pub fn forward(
        &self,
        hidden: Tensor<4>,
        context: Tensor<4>,
        similarities: Tensor<4>,
        flow: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let motion = self.motion_encoder.forward(similarities, flow);
        let input = Tensor::cat(vec![context, motion], 1);
        let hidden = self.recurrent.down.forward(self.recurrent.across.forward(hidden, input.clone()), input);
        let change = self.flow_head.output.forward(activation::relu(self.flow_head.hidden.forward(hidden.clone())));
        (hidden, change)
    }
}

/// Similarities and flow as one set of features, the flow itself among them.
#[derive(Module, Debug)]
pub struct MotionEncoder {
    /// 1×1
    pub correlation_1: Conv2d,
    /// 3×3
    pub correlation_2: Conv2d,
    /// 7×7
    pub flow_1: Conv2d,
    /// 3×3
    pub flow_2: Conv2d,
    /// 3×3
    pub output: Conv2d,
}

impl MotionEncoder {
    fn new(config: &RaftConfig, device: &Device) -> Self {
        let [correlation_1, correlation_2] = config.motion_correlation;
        let [flow_1, flow_2] = config.motion_flow;
        let square = |channels, side| convolution(channels, [side, side], 1, device);
        Self {
            correlation_1: square([config.window_features(), correlation_1], 1),
            correlation_2: square([correlation_1, correlation_2], 3),
            flow_1: square([2, flow_1], 7),
            flow_2: square([flow_1, flow_2], 3),
            // The flow's own two channels come on top.
            output: square([correlation_2 + flow_2, config.motion_output - 2], 3),
        }
    }

    fn forward(&self, similarities: Tensor<4>, flow: Tensor<4>) -> Tensor<4> {
        let step = |layer: &Conv2d, x| activation::relu(layer.forward(x));
        let similarities = step(&self.correlation_2, step(&self.correlation_1, similarities));
        let motion = step(&self.flow_2, step(&self.flow_1, flow.clone()));
        let both = step(&self.output, Tensor::cat(vec![similarities, motion], 1));
        Tensor::cat(vec![both, flow], 1)
    }
}

/// A gated recurrent unit along rows, then one along columns.
#[derive(Module, Debug)]
pub struct RecurrentBlock {
    /// 1×5
    pub across: RecurrentUnit,
    /// 5×1
    pub down: RecurrentUnit,
}

/// A convolutional gated recurrent unit.
#[derive(Module, Debug)]
pub struct RecurrentUnit {
    /// How much is replaced.
    pub update: Conv2d,
    /// How much of the old state the candidate sees.
    pub reset: Conv2d,
    /// What it is replaced by.
    pub candidate: Conv2d,
}

impl RecurrentUnit {
    fn new(input: usize, hidden: usize, kernel: [usize; 2], device: &Device) -> Self {
        let layer = || convolution([hidden + input, hidden], kernel, 1, device);
        Self { update: layer(), reset: layer(), candidate: layer() }
    }

    fn forward(&self, hidden: Tensor<4>, input: Tensor<4>) -> Tensor<4> {
        let both = Tensor::cat(vec![hidden.clone(), input.clone()], 1);
        let update = activation::sigmoid(self.update.forward(both.clone()));
        let reset = activation::sigmoid(self.reset.forward(both));
        let seen = Tensor::cat(vec![reset * hidden.clone(), input], 1);
        let candidate = self.candidate.forward(seen).tanh();
        hidden.clone() + update * (candidate - hidden)
    }
}

/// From the hidden state to a change of the flow.
#[derive(Module, Debug)]
pub struct FlowHead {
    /// 3×3
    pub hidden: Conv2d,
    /// 3×3
    pub output: Conv2d,
}

/// From the hidden state to the weights of the upsampling.
#[derive(Module, Debug)]
pub struct MaskPredictor {
    /// 3×3
    pub hidden: Conv2d,
    /// 1×1, to 9 weights for each of 8×8 pixels.
    pub output: Conv2d,
}

/// By which the mask is multiplied, to balance its gradients (torchvision, after the paper's code).
const MASK_FACTOR: f64 = 0.25;

impl MaskPredictor {
    pub(super) fn new(config: &RaftConfig, device: &Device) -> Self {
        Self {
            hidden: convolution([config.hidden, config.mask_hidden], [3, 3], 1, device),
            output: convolution([config.mask_hidden, 9 * 8 * 8], [1, 1], 1, device),
        }
    }

    /// # Shapes
    /// `[pairs, hidden, height, width]` → `[pairs, 576, height, width]`
    pub fn forward(&self, hidden: Tensor<4>) -> Tensor<4> {
        self.output.forward(activation::relu(self.hidden.forward(hidden))) * MASK_FACTOR
    }
}
