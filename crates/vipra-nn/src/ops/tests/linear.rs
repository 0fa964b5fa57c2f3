use burn::tensor::module;

use super::{compare, random};
use crate::ops::linear::product;

#[test]
fn linear_equals_the_frameworks() {
    for ([batch, rows, input], output) in [([1, 1, 1], 1), ([3, 5, 7], 9), ([4, 65, 128], 33)] {
        let (x, weight, bias) = (random([batch, rows, input]), random([input, output]), random([output]));
        compare!(
            "with bias",
            [x, weight, bias],
            product(x.clone(), weight.clone(), Some(bias.clone())),
            module::linear(x.clone(), weight.clone(), Some(bias.clone()))
        );
        compare!(
            "without bias",
            [x, weight],
            product(x.clone(), weight.clone(), None),
            module::linear(x.clone(), weight.clone(), None)
        );
    }
}

#[test]
fn a_turned_input_and_a_constant_weight() {
    let (x, weight) = (random([5, 6, 4]), random([6, 3]).detach());
    let turned = || x.clone().swap_dims(1, 2);
    compare!("view", [x], product(turned(), weight.clone(), None), module::linear(turned(), weight.clone(), None));
}
