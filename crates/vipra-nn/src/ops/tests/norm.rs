use burn::tensor::Tensor;

use super::{compare, device, random};
use crate::ops::norm::{
    layer_norm, layer_norm_unfused, modulated_norm, modulated_norm_unfused, rms_norm, rms_norm_unfused,
};

const EPSILON: f64 = 1e-5;

#[test]
fn layer_norm_equals_the_frameworks() {
    for [rows, dim] in [[1, 1], [3, 7], [65, 128], [1300, 33]] {
        let (x, weight, bias) = (random([2, rows, dim]), random([dim]), random([dim]));
        let both = |f: fn(Tensor<3>, Option<Tensor<1>>, Option<Tensor<1>>, f64) -> Tensor<3>| {
            f(x.clone(), Some(weight.clone()), Some(bias.clone()), EPSILON)
        };
        compare!("with weight and bias", [x, weight, bias], both(layer_norm), both(layer_norm_unfused));
        let weight_only = |f: fn(Tensor<3>, Option<Tensor<1>>, Option<Tensor<1>>, f64) -> Tensor<3>| {
            f(x.clone(), Some(weight.clone()), None, EPSILON)
        };
        compare!("with weight", [x, weight], weight_only(layer_norm), weight_only(layer_norm_unfused));
        compare!(
            "plain",
            [x],
            layer_norm(x.clone(), None, None, EPSILON),
            layer_norm_unfused(x.clone(), None, None, EPSILON)
        );
    }
}

#[test]
fn modulated_norm_equals_its_chain() {
    for [batch, time, tokens, dim] in [[1, 1, 1, 2], [2, 3, 5, 7], [2, 2, 65, 128]] {
        let (x, modulation) = (random([batch, time, tokens, dim]), random([batch, time, 2 * dim]));
        compare!(
            "modulated norm",
            [x, modulation],
            modulated_norm(x.clone(), modulation.clone(), EPSILON),
            modulated_norm_unfused(x.clone(), modulation.clone(), EPSILON)
        );
    }
}

/// A row of equal numbers has no spread; the epsilon alone divides.
#[test]
fn a_constant_row_is_no_trouble() {
    let x = Tensor::<2>::full([2, 40], 3.0, &device()).require_grad();
    compare!(
        "constant row",
        [x],
        layer_norm(x.clone(), None, None, EPSILON),
        layer_norm_unfused(x.clone(), None, None, EPSILON)
    );
}

#[test]
fn rms_norm_equals_its_chain() {
    for [rows, dim] in [[1, 1], [3, 7], [65, 128], [1300, 33]] {
        let (x, weight) = (random([2, rows, dim]), random([dim]));
        compare!(
            "rms norm",
            [x, weight],
            rms_norm(x.clone(), weight.clone(), EPSILON),
            rms_norm_unfused(x.clone(), weight.clone(), EPSILON)
        );
    }
}
