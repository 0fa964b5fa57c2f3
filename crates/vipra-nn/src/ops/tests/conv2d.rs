use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Tensor;

use super::{compare, device, framework_generator, random};
use crate::ops::conv2d::{conv2d, conv2d_unfused};

/// Zeros above, left, below and right.
type Padding = [usize; 4];

const AROUND: Padding = [1; 4];
const NONE: Padding = [0; 4];

/// A layer of these weights.
fn layer(weight: &Tensor<4>, bias: Option<&Tensor<1>>, stride: usize, [top, left, bottom, right]: Padding) -> Conv2d {
    let [out, channels, height, width] = weight.dims();
    let padding = PaddingConfig2d::Explicit(top, left, bottom, right);
    let config = Conv2dConfig::new([channels, out], [height, width]).with_stride([stride; 2]).with_padding(padding);
    let mut layer = config.init(&device());
    layer.weight = Param::from_tensor(weight.clone());
    layer.bias = bias.map(|bias| Param::from_tensor(bias.clone()));
    layer
}

/// Both forms of a convolution of `x`, by values and all gradients.
fn compare_forms(x: [usize; 4], [out, height, width]: [usize; 3], stride: usize, padding: Padding) {
    let what = format!("{x:?} by {out} of {height}×{width}, stride {stride}, padding {padding:?}");
    let (weight, bias) = (random([out, x[1], height, width]), random([out]));
    let x = random(x);
    // The layer's parameters are the tensors themselves, which the gradients are asked for.
    let with = layer(&weight, Some(&bias), stride, padding);
    let (weight_of, bias_of) = (with.weight.val(), with.bias.as_ref().unwrap().val());
    compare!(what, [x, weight_of, bias_of], conv2d(&with, x.clone()), conv2d_unfused(&with, x.clone()));
    let without = layer(&weight, None, stride, padding);
    let weight_of = without.weight.val();
    compare!(what, [x, weight_of], conv2d(&without, x.clone()), conv2d_unfused(&without, x.clone()));
}

#[test]
fn conv2d_of_neighbours_equals_the_frameworks() {
    compare_forms([1, 1, 1, 1], [1, 3, 3], 1, AROUND);
    compare_forms([1, 1, 9, 1], [2, 3, 3], 1, AROUND);
    compare_forms([2, 3, 5, 7], [4, 3, 3], 1, AROUND);
    compare_forms([17, 2, 6, 5], [5, 3, 3], 1, AROUND);
    // More than a strip of rows, and channels that fill no block.
    compare_forms([2, 17, 70, 66], [9, 3, 3], 1, AROUND);
}

#[test]
fn conv2d_that_halves_equals_the_frameworks() {
    compare_forms([3, 5, 8, 8], [6, 3, 3], 2, [0, 0, 1, 1]);
    compare_forms([2, 3, 7, 6], [5, 3, 3], 2, [0, 0, 1, 1]);
    compare_forms([1, 1, 2, 2], [1, 3, 3], 2, [0, 0, 1, 1]);
    compare_forms([2, 8, 33, 31], [5, 3, 3], 2, AROUND);
}

#[test]
fn conv2d_of_single_places_equals_the_frameworks() {
    compare_forms([2, 4, 6, 6], [3, 1, 1], 1, NONE);
    compare_forms([1, 33, 1, 1], [1, 1, 1], 1, NONE);
    // Some of the input is seen by nobody.
    compare_forms([2, 4, 7, 9], [5, 1, 1], 2, NONE);
}

#[test]
fn conv2d_of_other_kernels_equals_the_frameworks() {
    compare_forms([2, 2, 11, 13], [3, 7, 5], 3, [3, 2, 3, 2]);
    compare_forms([1, 3, 4, 4], [2, 3, 3], 1, [2; 4]);
    compare_forms([2, 3, 9, 9], [4, 2, 2], 3, NONE);
}

#[test]
fn a_frozen_layer_and_a_turned_input() {
    let layer = layer(&random([4, 3, 3, 3]).detach(), Some(&random([4]).detach()), 1, AROUND);
    let x = random([2, 3, 6, 5]);
    let turned = || x.clone().swap_dims(2, 3);
    compare!("turned", [x], conv2d(&layer, turned()), conv2d_unfused(&layer, turned()));
}

#[test]
fn what_the_kernel_cannot_do_is_left_to_the_framework() {
    let _alone = framework_generator();
    let config = Conv2dConfig::new([4, 4], [3, 3]);
    for config in [config.clone().with_groups(2), config.clone().with_dilation([2, 2]), config.with_stride([1, 2])] {
        let layer = config.init(&device());
        let x = random([1, 4, 8, 8]);
        compare!("the framework's", [x], conv2d(&layer, x.clone()), conv2d_unfused(&layer, x.clone()));
    }
}
