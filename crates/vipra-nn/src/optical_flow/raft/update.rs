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
    /// Convolutional GRUs.
    pub recurrent: RecurrentBlock,
    /// Predicts the change of the flow.
    pub flow_head: FlowHead,
}

impl UpdateBlock {
    pub(super) fn new(config: &RaftConfig, device: &Device) -> Self {
        let input = config.motion_output + config.context();
        Self {
            motion_encoder: MotionEncoder::new(config, device),
            recurrent: RecurrentBlock {
                units: config
                    .recurrent
                    .iter()
                    .map(|kernel| RecurrentUnit::new(input, config.hidden, *kernel, device))
                    .collect(),
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
        let units = self.recurrent.units.iter();
        let hidden = units.fold(hidden, |hidden, unit| unit.forward(hidden, input.clone()));
        let change = self.flow_head.output.forward(activation::relu(self.flow_head.hidden.forward(hidden.clone())));
        (hidden, change)
    }
}

/// Similarities and flow as one set of features, the flow itself among them.
#[derive(Module, Debug)]
pub struct MotionEncoder {
    /// 1×1, then perhaps 3×3.
    pub correlation: Vec<Conv2d>,
    /// 7×7, then 3×3.
    pub flow: Vec<Conv2d>,
    /// 3×3
    pub output: Conv2d,
}

impl MotionEncoder {
    fn new(config: &RaftConfig, device: &Device) -> Self {
        // The layers and their last width; the first has a kernel of its own.
        let chain = |input: usize, widths: &[usize], first_kernel: usize| {
            let mut layers = Vec::with_capacity(widths.len());
            let mut last = input;
            for (index, width) in widths.iter().enumerate() {
                let side = if index == 0 { first_kernel } else { 3 };
                layers.push(convolution([last, *width], [side, side], 1, device));
                last = *width;
            }
            (layers, last)
        };
        let (correlation, correlation_width) = chain(config.window_features(), &config.motion_correlation, 1);
        let (flow, flow_width) = chain(2, &config.motion_flow, 7);
        // The flow's own two channels come on top.
        let widths = [correlation_width + flow_width, config.motion_output - 2];
        Self { correlation, flow, output: convolution(widths, [3, 3], 1, device) }
    }

    fn forward(&self, similarities: Tensor<4>, flow: Tensor<4>) -> Tensor<4> {
        let step = |x, layer: &Conv2d| activation::relu(layer.forward(x));
        let similarities = self.correlation.iter().fold(similarities, step);
        let motion = self.flow.iter().fold(flow.clone(), step);
        let both = step(Tensor::cat(vec![similarities, motion], 1), &self.output);
        Tensor::cat(vec![both, flow], 1)
    }
}

/// Gated recurrent units, one after another: along rows and along columns, or one for both.
#[derive(Module, Debug)]
pub struct RecurrentBlock {
    /// In their order.
    pub units: Vec<RecurrentUnit>,
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
    pub(super) fn new(state: usize, hidden: usize, device: &Device) -> Self {
        Self {
            hidden: convolution([state, hidden], [3, 3], 1, device),
            output: convolution([hidden, 9 * 8 * 8], [1, 1], 1, device),
        }
    }

    /// # Shapes
    /// `[pairs, hidden, height, width]` → `[pairs, 576, height, width]`
    pub fn forward(&self, hidden: Tensor<4>) -> Tensor<4> {
        self.output.forward(activation::relu(self.hidden.forward(hidden))) * MASK_FACTOR
    }
}
