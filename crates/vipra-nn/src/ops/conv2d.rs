//! Convolution over height and width.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

use super::flex::{self, run};

/// A convolution layer of the framework. On the CPU device a kernel computes it where the layer looks at neighbouring places of
/// all channels, equally far along both axes; else the framework does.
///
/// # Shapes
/// `[batch, channels, height, width]` → `[batch, out, height', width']`
pub fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let Some(kernel) = kernel(layer, &x) else { return conv2d_unfused(layer, x) };
    match &layer.bias {
        Some(bias) => run!(kernel, x, layer.weight.val(), bias.val()),
        None => run!(kernel, x, layer.weight.val()),
    }
}

/// [`conv2d`] by the framework.
pub(super) fn conv2d_unfused(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    layer.forward(x)
}

/// The kernel, if there is one for this layer and something for it to do.
fn kernel(layer: &Conv2d, x: &Tensor<4>) -> Option<flex::conv2d::Conv2d> {
    let [batch, channels, height, width] = x.dims();
    let [out, seen, taps_down, taps_right] = layer.weight.dims();
    let [stride, stride_right] = layer.stride;
    let is_plain = layer.groups == 1 && layer.dilation == [1, 1] && stride == stride_right && seen == channels;
    if !is_plain || [batch, channels, height, width, out].contains(&0) || !flex::serves(x) {
        return None;
    }
    let (top, left, bottom, right) = match layer.padding {
        PaddingConfig2d::Valid => (0, 0, 0, 0),
        PaddingConfig2d::Explicit(top, left, bottom, right) => (top, left, bottom, right),
        PaddingConfig2d::Same => return None,
    };
    let places = |size: usize, taps: usize| Some(size.checked_sub(taps)? / stride + 1);
    let result = [places(top + height + bottom, taps_down)?, places(left + width + right, taps_right)?];
    Some(flex::conv2d::Conv2d { stride, before: [top, left], result, bias: layer.bias.is_some() })
}
