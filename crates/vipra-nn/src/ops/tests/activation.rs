use burn::nn::DropoutConfig;
use burn::tensor::Tensor;

use super::{Gradients, assert_close, compare, device, framework_generator, numbers, random};
use crate::ops::activation::{
    geglu_and_drop, geglu_unfused, gelu, gelu_unfused, leaky_relu, leaky_relu_unfused, swiglu, swiglu_unfused,
};

fn geglu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    geglu_and_drop(x, &DropoutConfig::new(0.0).init())
}

#[test]
fn gelu_equals_its_chain() {
    for shape in [[1, 1, 1], [3, 7, 5], [2, 130, 129]] {
        let x = random(shape);
        compare!("gelu", [x], gelu(x.clone()), gelu_unfused(x.clone()));
    }
}

#[test]
fn leaky_relu_equals_the_frameworks() {
    let x = random([3, 7, 5]);
    compare!("leaky", [x], leaky_relu(x.clone()), leaky_relu_unfused(x.clone()));
}

/// Against values of the error function from tables, where the tails are smallest and largest.
#[test]
fn gelu_is_exact_and_so_is_its_slope() {
    let x = Tensor::<1>::from_data([0.0, 1.0, -1.0, 3.0, -3.0, -20.0, 20.0], &device()).require_grad();
    let out = gelu(x.clone());
    let values = [0.0, 0.841_344_8, -0.158_655_25, 2.995_950_3, -0.004_049_694, 0.0, 20.0];
    assert_close("gelu", &numbers(&out), &values);
    let gradients = Gradients(out.sum().backward());
    let slopes = [0.5, 1.083_315_5, -0.083_315_47, 1.011_945_7, -0.011_945_663, 0.0, 1.0];
    assert_close("slope", &gradients.by(&x), &slopes);
}

#[test]
fn gated_gelu_equals_its_chain() {
    for shape in [[1, 1, 2], [3, 7, 6], [2, 65, 682]] {
        let x = random(shape);
        compare!("geglu", [x], geglu(x.clone()), geglu_unfused(x.clone()));
    }
}

/// A view that is not in row-major order.
#[test]
fn turned_inputs_are_read_in_their_order() {
    let x = random([6, 4]);
    let turned = || x.clone().transpose().narrow(1, 1, 4);
    compare!("geglu of a view", [x], geglu(turned()), geglu_unfused(turned()));
}

/// The backward pass drops what the forward pass dropped, and as much as was asked for.
#[test]
fn dropout_is_the_same_both_ways() {
    let _alone = framework_generator();
    let dropout = DropoutConfig::new(0.25).init();
    let x = random([40, 2 * 341]);
    device().seed(11);
    let out = geglu_and_drop(x.clone(), &dropout);
    let kept: Vec<bool> = numbers(&out).iter().map(|x| *x != 0.0).collect();
    let share = kept.iter().filter(|kept| !**kept).count() as f64 / kept.len() as f64;
    assert!((share - 0.25).abs() < 0.02, "{share} of the activations were dropped");

    let mask: Vec<f32> = kept.iter().map(|kept| if *kept { 1.0 / 0.75 } else { 0.0 }).collect();
    let mask = Tensor::<1>::from_data(mask.as_slice(), &device()).reshape([40, 341]);
    compare!("dropout", [x], out, geglu_unfused(x.clone()) * mask);

    let again = |seed: u64| {
        device().seed(seed);
        numbers(&geglu_and_drop(x.clone(), &dropout))
    };
    assert_eq!(again(11), again(11));
    assert_ne!(again(11), again(12));
    let rows: Vec<&[bool]> = kept.chunks_exact(341).collect();
    assert_ne!(rows[0], rows[1], "each row has a pattern of its own");
}

#[test]
fn nothing_is_dropped_without_gradients() {
    let x = random([3, 8]).inner();
    let dropped = geglu_and_drop(x.clone(), &DropoutConfig::new(0.5).init());
    assert_eq!(numbers(&dropped), numbers(&geglu(x)));
}

#[test]
fn swiglu_equals_its_chain() {
    for shape in [[1, 1, 2], [3, 7, 10], [2, 130, 258]] {
        let x = random(shape) * 4.0;
        let x = x.detach().require_grad();
        compare!("swiglu", [x], swiglu(x.clone()), swiglu_unfused(x.clone()));
    }
}
