//! The small network of optical flow, beside torchvision's (tests/fixtures/raft_small, whose script makes the same weights
//! and pictures).

use burn::tensor::{Device, Tensor, TensorData};
use vipra_nn::optical_flow::FlowEstimator;
use vipra_nn::optical_flow::raft::{Raft, RaftConfig, torchvision_names};

use crate::golden::{Golden, Tolerance, absolute, device, values};
use crate::hash_weights::hash_weights;

/// As of the large network.
const FLOW: f32 = 5e-3;
const SUM_OF_SQUARES: Tolerance = Tolerance { relative: 1e-3, absolute: 0.0 };
const GRADIENT_DISTANCE: f64 = 5e-2;

const SIDE: usize = 128;
/// Every how many pixels the fixture keeps one.
const STRIDE: usize = 9;

fn network(device: &Device) -> Raft {
    let gain = |name: &str| match name {
        name if name.contains("flow_head") => 0.2,
        name if name.contains("update_block") => 0.7,
        _ => 1.0,
    };
    let config = RaftConfig::small();
    let weights = hash_weights(&config.init(device), &torchvision_names(), "", gain);
    config.load(&weights, "", device).unwrap()
}

/// `[1, 3, side, side]`, moved to the right and half as far down.
fn picture(moved: f64, device: &Device) -> Tensor<4> {
    let pixels = (0..3).flat_map(|channel| {
        (0..SIDE * SIDE).map(move |index| {
            let [x, y] = [(index % SIDE) as f64 - moved, (index / SIDE) as f64 - moved / 2.0];
            let channel = f64::from(channel);
            let waves = (0.31 * x + 0.17 * y + channel).sin() + (0.05 * x - 0.43 * y + 2.0 * channel).cos();
            (0.5 + 0.2 * waves + 0.1 * (0.9 * x).sin() * (0.8 * y).cos()) as f32
        })
    });
    Tensor::from_data(TensorData::new(pixels.collect::<Vec<f32>>(), [1, 3, SIDE, SIDE]), device)
}

/// The pixels that the fixture keeps.
fn kept(values: &[f32]) -> Vec<f32> {
    let pixels = values.iter().enumerate();
    let kept = pixels
        .filter(|(index, _)| (index / SIDE % SIDE).is_multiple_of(STRIDE) && (index % SIDE).is_multiple_of(STRIDE));
    kept.map(|(_, value)| *value).collect()
}

fn dot(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
}

#[test]
fn flow_is_torchvisions() {
    let golden = Golden::fixture("raft_small");
    let device = device();
    let raft = network(&device);
    assert_eq!(burn::module::Module::num_params(&raft), 990_162, "as torchvision states");
    let [first, second] = [0.0, 2.5].map(|moved| raft.encode(picture(moved, &device)).unwrap());
    let flows = raft.iterate(&first, &second, 12);
    for update in [1, 4, 12] {
        let name = format!("flow_{update}");
        let flow = values(flows[update - 1].clone());
        golden.check_values(&name, &kept(&flow), absolute(FLOW));
        golden.check_values(&format!("{name}.sum_of_squares"), &[dot(&flow, &flow) as f32], SUM_OF_SQUARES);
    }
}

#[test]
fn gradient_of_the_picture_is_torchvisions() {
    let golden = Golden::fixture("raft_small");
    let device = device().autodiff();
    let raft = network(&device);
    let first = picture(0.0, &device).require_grad();
    let pictures = Tensor::cat(vec![first.clone(), picture(2.5, &device)], 0);
    let index = |index: i64| Tensor::from_data([index], &device);
    let flow = raft.flow(pictures, index(0), index(1)).unwrap();
    let weights: Vec<f32> = (0..2 * SIDE * SIDE).map(|index| (index as f64 * 0.37).cos() as f32).collect();
    let weights = Tensor::from_data(TensorData::new(weights, [1, 2, SIDE, SIDE]), &device);
    let loss = (flow * weights).mean();
    let gradient = values(first.grad(&loss.backward()).unwrap());

    let (gradient_kept, expected) = (kept(&gradient), golden.floats("gradient"));
    assert_eq!(gradient_kept.len(), expected.len());
    let difference: Vec<f32> = gradient_kept.iter().zip(&expected).map(|(a, b)| a - b).collect();
    let distance = (dot(&difference, &difference) / dot(&expected, &expected)).sqrt();
    println!("raft_small: gradient: relative distance {distance:.2e}");
    assert!(distance < GRADIENT_DISTANCE, "relative distance {distance}");
    let all = dot(&gradient, &gradient) / f64::from(golden.scalar("gradient.sum_of_squares"));
    assert!((all.sqrt() - 1.0).abs() < GRADIENT_DISTANCE, "{all}");
}
