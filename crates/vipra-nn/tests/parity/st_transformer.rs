//! Encoder and decoder transformer (golden `laq_st_transformer`).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use vipra_nn::position_bias::ContinuousPositionBias;
use vipra_nn::st_transformer::{StInputs, StTransformer, StTransformerConfig};
use vipra_nn::weights::{Names, load};

use crate::golden::{Golden, Tolerance, absolute, device, gradients};

/// Of the manifest.
const FORWARD: f32 = 5e-5;
const GRADIENT: Tolerance = Tolerance { relative: 1e-3, absolute: 2e-4 };

fn names(case: &str) -> Names {
    Names::blocks().prefix(format!("{case}."))
}

fn grid(golden: &Golden) -> [usize; 2] {
    let grid = golden.config["grid"].as_array().expect("the grid");
    [0, 1].map(|axis| grid[axis].as_u64().expect("a size") as usize)
}

fn transformer(golden: &Golden, case: &str, device: &Device) -> StTransformer {
    let decoder = case == "dec";
    let config = StTransformerConfig {
        dim: golden.number("dim"),
        depth: golden.number("depth"),
        heads: golden.number("heads"),
        head_dim: golden.number("dim_head"),
        feed_forward_dropout: 0.0,
        causal: decoder,
        conditioned: decoder,
    };
    load(config.init(device).unwrap(), &golden.weights(), &names(case)).unwrap()
}

#[test]
fn parity_encoder() {
    let Some(golden) = Golden::open("laq_st_transformer") else { return };
    let device = device().autodiff();
    let bias = ContinuousPositionBias::new(golden.number("dim"), golden.number("heads"), &device);
    let bias = load(bias, &golden.weights(), &names("cpb")).unwrap().forward(grid(&golden));
    golden.check("spatial_attn_bias", bias.clone(), absolute(FORWARD));

    let encoder = transformer(&golden, "enc", &device);
    let x = golden.tensor::<4>("enc.in.x", &device);
    let inputs = StInputs { spatial_bias: Some(bias), ..StInputs::default() };
    golden.check("enc.out", encoder.forward(x.clone(), grid(&golden), &inputs), absolute(FORWARD));
    let inputs = StInputs { frame_mask: Some(golden.mask("attn_mask", &device)), ..inputs };
    golden.check("enc.out_masked", encoder.forward(x, grid(&golden), &inputs), absolute(FORWARD));
}

#[test]
fn parity_decoder_and_gradients() {
    let Some(golden) = Golden::open("laq_st_transformer") else { return };
    let device = device().autodiff();
    let decoder = transformer(&golden, "dec", &device);
    let x = golden.tensor::<4>("dec.in.x", &device).require_grad();
    let condition = golden.tensor::<3>("dec.in.cond", &device).require_grad();
    let inputs = StInputs {
        condition: Some(condition.clone()),
        spatial_bias: Some(golden.tensor("dec.in.spatial_attn_bias", &device)),
        frame_mask: None,
    };
    let out = decoder.forward(x.clone(), grid(&golden), &inputs);
    golden.check("dec.out", out.clone(), absolute(FORWARD));

    let cotangent: Tensor<4> = golden.tensor("dec.cotangent", &device);
    let grads = (out * cotangent).sum().backward();
    golden.check("dec.grad.x", x.grad(&grads).unwrap(), GRADIENT);
    golden.check("dec.grad.cond", condition.grad(&grads).unwrap(), GRADIENT);
    let by_name = gradients(&decoder, &grads, &Names::blocks());
    let mut compared = 0;
    for name in golden.names() {
        if let Some(parameter) = name.strip_prefix("dec.grad.param.") {
            let gradient = by_name.get(parameter).unwrap_or_else(|| panic!("no gradient of {parameter}"));
            golden.check_values(&name, gradient, GRADIENT);
            compared += 1;
        }
    }
    assert!(compared > 0, "the golden lists gradients of parameters");
}

/// Every parameter takes part: one without gradient would never be learnt.
/// Moves every parameter a little.
struct Nudge;

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| {
            let shape = value.dims();
            let nudges: Vec<f32> =
                (0..value.shape().num_elements()).map(|at| (at * 29 % 17) as f32 / 80.0 - 0.1).collect();
            let value = value.inner();
            let nudges = Tensor::<1>::from_data(nudges.as_slice(), &value.device()).reshape(shape);
            Tensor::from_inner(value + nudges).require_grad()
        })
    }
}

#[test]
fn every_parameter_of_the_decoder_gets_a_gradient() {
    let device = device().autodiff();
    let config = StTransformerConfig {
        dim: 8,
        depth: 2,
        heads: 2,
        head_dim: 4,
        feed_forward_dropout: 0.1,
        causal: true,
        conditioned: true,
    };
    // New branches add nothing, and nothing gets through to what stands behind them.
    let decoder = config.init(&device).unwrap().map(&mut Nudge);
    let random = |shape: &[usize]| {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|index| ((index * 37 % 101) as f32 / 50.0) - 1.0).collect();
        burn::tensor::TensorData::new(values, shape.to_vec())
    };
    let x = Tensor::<4>::from_data(random(&[1, 3, 5, 8]), &device);
    let inputs = StInputs {
        condition: Some(Tensor::from_data(random(&[1, 3, 8]), &device)),
        spatial_bias: Some(Tensor::zeros([2, 5, 5], &device)),
        frame_mask: None,
    };
    let grads = decoder.forward(x, [2, 2], &inputs).powi_scalar(3).sum().backward();
    let by_name = gradients(&decoder, &grads, &Names::blocks());
    // Each layer: 6 of the conditioning, 2 of the position generator, 6 of each attention, 3 of the feed-forward part.
    assert_eq!(by_name.len(), 2 * (6 + 2 + 2 * 6 + 3) + 1);
    for (name, gradient) in by_name {
        assert!(gradient.iter().any(|value| *value != 0.0), "{name} gets no gradient");
    }
}
