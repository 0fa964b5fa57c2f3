//! Single blocks of the latent action model (golden `laq_attention`).

use burn::tensor::{Device, Tensor};
use vipra_nn::attention::{Attention, Axis};
use vipra_nn::conditioning::Conditioning;
use vipra_nn::feed_forward::FeedForward;
use vipra_nn::ops::{RotaryTable, rotate};
use vipra_nn::position_bias::{ContinuousPositionBias, relative_positions};
use vipra_nn::position_generator::PositionGenerator;
use vipra_nn::weights::{Names, Weights, load};

use crate::golden::{Golden, Tolerance, device};

/// Of the manifest, for results and for the gradients beside them.
const TOLERANCE: Tolerance = Tolerance { relative: 0.0, absolute: 2e-5 };

fn open() -> Option<(Golden, Weights, Device)> {
    let golden = Golden::open("laq_attention")?;
    let weights = golden.weights();
    Some((golden, weights, device().autodiff()))
}

fn names(case: &str) -> Names {
    Names::blocks().prefix(format!("{case}."))
}

/// Checks the result, then the gradient of `Σ result·cotangent` with respect to the input.
fn check_with_gradient<const D: usize>(
    golden: &Golden,
    case: &str,
    device: &Device,
    forward: impl Fn(Tensor<D>) -> Tensor<D>,
) {
    let x = golden.tensor::<D>(&format!("{case}.in.x"), device).require_grad();
    let out = forward(x.clone());
    golden.check(&format!("{case}.out"), out.clone(), TOLERANCE);
    let cotangent = golden.tensor::<D>(&format!("{case}.cotangent"), device);
    let gradients = (out * cotangent).sum().backward();
    let gradient = x.grad(&gradients).expect("the input has a gradient");
    golden.check(&format!("{case}.grad.x"), gradient, TOLERANCE);
}

fn attention(golden: &Golden, weights: &Weights, case: &str, axis: Axis, device: &Device) -> Attention {
    let (dim, heads, head_dim) = (golden.number("dim"), golden.number("heads"), golden.number("dim_head"));
    load(Attention::new(dim, heads, head_dim, axis, device), weights, &names(case)).unwrap()
}

#[test]
fn parity_position_bias() {
    let Some((golden, weights, device)) = open() else { return };
    let bias = ContinuousPositionBias::new(golden.number("dim"), golden.number("heads"), &device);
    let bias = load(bias, &weights, &names("cpb")).unwrap();
    golden.check("cpb.out", bias.forward([4, 4]), TOLERANCE);
    golden.check("cpb.out_2x3", bias.forward([2, 3]), TOLERANCE);
    golden.check("cpb.rel_4x4", relative_positions([4, 4], &device), TOLERANCE);
}

#[test]
fn parity_rotary_positions() {
    let Some((golden, _, device)) = open() else { return };
    let [_, _, positions, dim] = golden.shape("rope.in.q")[..] else { panic!("rank of rope.in.q") };
    let table = RotaryTable::new(positions, dim, &device);
    golden.check("rope.cos", table.cos.clone().squeeze_dim::<2>(0), TOLERANCE);
    golden.check("rope.sin", table.sin.clone().squeeze_dim::<2>(0), TOLERANCE);
    for name in ["q", "k"] {
        let x = golden.tensor::<4>(&format!("rope.in.{name}"), &device);
        golden.check(&format!("rope.out.{name}"), rotate(x, &table), TOLERANCE);
    }
}

#[test]
fn parity_spatial_attention() {
    let Some((golden, weights, device)) = open() else { return };
    let block = attention(&golden, &weights, "attn_spatial", Axis::Space, &device);
    let bias = golden.tensor::<3>("attn_spatial.in.attn_bias", &device);
    check_with_gradient::<3>(&golden, "attn_spatial", &device, |x| block.forward(x, Some(bias.clone()), None));
    let x = golden.tensor::<3>("attn_spatial.in.x", &device);
    golden.check("attn_spatial.out_nobias", block.forward(x.clone(), None, None), TOLERANCE);
    let mask = golden.mask::<2>("attn_spatial.in.mask", &device);
    golden.check("attn_spatial.out_masked", block.forward(x, Some(bias), Some(mask)), TOLERANCE);
}

#[test]
fn parity_temporal_attention() {
    let Some((golden, weights, device)) = open() else { return };
    for (case, causal) in [("attn_temporal", false), ("attn_temporal_causal", true)] {
        let block = attention(&golden, &weights, case, Axis::Time { causal }, &device);
        check_with_gradient::<3>(&golden, case, &device, |x| block.forward(x, None, None));
        let x = golden.tensor::<3>(&format!("{case}.in.x"), &device);
        let mask = golden.mask::<2>(&format!("{case}.in.mask"), &device);
        golden.check(&format!("{case}.out_masked"), block.forward(x, None, Some(mask)), TOLERANCE);
    }
}

/// Without gradients the framework takes another kernel, so that path is compared too.
#[test]
fn parity_attention_without_gradients() {
    let Some((golden, weights, _)) = open() else { return };
    let device = device();
    let block = attention(&golden, &weights, "attn_spatial", Axis::Space, &device);
    let x = golden.tensor::<3>("attn_spatial.in.x", &device);
    let bias = golden.tensor::<3>("attn_spatial.in.attn_bias", &device);
    let mask = golden.mask::<2>("attn_spatial.in.mask", &device);
    golden.check("attn_spatial.out_masked", block.forward(x, Some(bias), Some(mask)), TOLERANCE);
    let block = attention(&golden, &weights, "attn_temporal_causal", Axis::Time { causal: true }, &device);
    let x = golden.tensor::<3>("attn_temporal_causal.in.x", &device);
    let mask = golden.mask::<2>("attn_temporal_causal.in.mask", &device);
    golden.check("attn_temporal_causal.out_masked", block.forward(x, None, Some(mask)), TOLERANCE);
}

#[test]
fn parity_position_generator() {
    let Some((golden, weights, device)) = open() else { return };
    for (case, causal) in [("peg", false), ("peg_causal", true)] {
        let block = PositionGenerator::new(golden.number("dim"), causal, &device);
        let block = load(block, &weights, &names(case)).unwrap();
        let [batch, time, height, width, dim] = golden.shape(&format!("{case}.in.x"))[..] else { panic!("rank") };
        let x = golden.tensor::<5>(&format!("{case}.in.x"), &device);
        let tokens = x.clone().reshape([batch, time, height * width, dim]);
        let out = block.forward(tokens, [height, width]).reshape([batch, time, height, width, dim]);
        golden.check(&format!("{case}.out"), out, TOLERANCE);
    }
}

#[test]
fn parity_feed_forward() {
    let Some((golden, weights, device)) = open() else { return };
    let dim = golden.number("dim");
    assert_eq!(FeedForward::inner_dim(dim), golden.number("ff_inner"));
    let block = load(FeedForward::new(dim, 0.0, &device), &weights, &names("ff_geglu")).unwrap();
    check_with_gradient::<3>(&golden, "ff_geglu", &device, |x| block.forward(x));
}

#[test]
fn parity_conditioning() {
    let Some((golden, weights, device)) = open() else { return };
    let block = load(Conditioning::new(golden.number("dim"), &device), &weights, &names("cond")).unwrap();
    let condition = golden.tensor::<3>("cond.in.cond", &device);
    check_with_gradient::<4>(&golden, "cond", &device, |x| block.forward(x, condition.clone()));
}

#[test]
fn loading_lists_every_fault() {
    let device = device();
    let mut weights = Weights::new("made up");
    weights.insert("x.norm.gamma", vec![5], vec![0.0; 5]);
    weights.insert("x.q_scale", vec![2], vec![0.0; 2]);
    weights.insert("x.context_norm.gamma", vec![9], vec![0.0; 9]);
    weights.insert("x.surplus", vec![1], vec![0.0]);
    weights.insert("y.surplus", vec![1], vec![0.0]);
    let module = Attention::new(4, 1, 2, Axis::Space, &device);
    let message = load(module, &weights, &names("x")).unwrap_err().to_string();
    assert_eq!(
        message,
        "weights do not fit the model: missing: x.k_scale, x.to_kv.weight, x.to_out.weight, x.to_q.weight; \
         unexpected: x.surplus; of another shape: x.norm.gamma (expected [4], found [5]): made up"
    );
}
