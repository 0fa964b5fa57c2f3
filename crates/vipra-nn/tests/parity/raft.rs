//! Optical flow and the loss on it (golden `laq_losses_raft`).

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use vipra_nn::optical_flow::raft::{Encoded, EncoderConfig, Raft, RaftConfig, torchvision_names};
use vipra_nn::optical_flow::{FlowEstimator, FlowSchedule, flow_consistency};

use crate::golden::{Golden, Tolerance, absolute, device, values};
use crate::hash_weights::{convolution, hash_weights};

/// Of the manifest.
const FLOW_AFTER_FOUR: f32 = 1e-3;
const FLOW_AFTER_TWELVE: f32 = 5e-3;
const LOSS: Tolerance = Tolerance { relative: 1e-4, absolute: 0.0 };
const GRADIENT_DISTANCE: f64 = 5e-2;
const GRADIENT_COSINE: f64 = 0.999;
/// The manifest states none for features and schedule; these are exact sums of few terms.
const FEATURES: f32 = 1e-4;
const SCHEDULE: Tolerance = Tolerance { relative: 1e-6, absolute: 1e-8 };

fn sizes<const N: usize>(golden: &Golden, key: &str) -> [usize; N] {
    let list = golden.config["slim"][key].as_array().unwrap();
    let sizes: Vec<usize> = list.iter().map(|size| size.as_u64().unwrap() as usize).collect();
    sizes.try_into().unwrap()
}

fn slim_config(golden: &Golden) -> RaftConfig {
    let widths = sizes(golden, "encoder");
    let large = RaftConfig::large();
    RaftConfig {
        feature_encoder: EncoderConfig { widths, ..large.feature_encoder },
        context_encoder: EncoderConfig { widths, ..large.context_encoder },
        motion_correlation: sizes::<2>(golden, "motion_corr").to_vec(),
        motion_flow: sizes(golden, "motion_flow"),
        motion_output: golden.number("slim.motion_out"),
        hidden: golden.number("slim.hidden"),
        recurrent: large.recurrent,
        flow_head: golden.number("slim.flow_head"),
        mask_hidden: Some(golden.number("slim.mask_hidden")),
        correlation_levels: golden.number("slim.corr_levels"),
        radius: golden.number("slim.radius"),
        updates: golden.number("default_updates"),
    }
}

fn slim(golden: &Golden, device: &Device) -> Raft {
    slim_config(golden).load(&golden.weights(), "slim.", device).unwrap()
}

fn check_pair(golden: &Golden, case: &str, raft: &Raft, device: &Device) {
    let pictures = ["pair.in.img1", "pair.in.img2"].map(|name| golden.tensor::<4>(name, device));
    let encoded = raft.encode(Tensor::cat(pictures.to_vec(), 0)).unwrap();
    let one = |index: usize| Encoded {
        features: encoded.features.clone().narrow(0, index, 1),
        context: encoded.context.clone().narrow(0, index, 1),
    };
    if golden.has(&format!("{case}.out.fmap")) {
        golden.check(&format!("{case}.out.fmap"), encoded.features.clone(), absolute(FEATURES));
        golden.check(&format!("{case}.out.context"), one(0).context, absolute(FEATURES));
    }
    let name = format!("{case}.out.flow_iter");
    let flows = raft.iterate(&one(0), &one(1), golden.shape(&name)[0]);
    golden.check(&name, Tensor::stack::<5>(flows, 0), absolute(FLOW_AFTER_FOUR));
    let index = |index: i64| Tensor::from_data([index], device);
    let flow = raft.flow(Tensor::cat(pictures.to_vec(), 0), index(0), index(1)).unwrap();
    golden.check(&format!("{case}.out.flow_12"), flow, absolute(FLOW_AFTER_TWELVE));
}

#[test]
fn parity_slim_flow() {
    let Some(golden) = Golden::open("laq_losses_raft") else { return };
    let device = device();
    check_pair(&golden, "slim", &slim(&golden, &device), &device);
}

#[test]
fn parity_full_flow() {
    let Some(golden) = Golden::open("laq_losses_raft") else { return };
    let device = device();
    let config = RaftConfig { updates: golden.number("default_updates"), ..RaftConfig::default() };
    let gain = |name: &str| if name.contains("encoder") && !name.contains("motion") { 1.0 } else { 0.7 };
    let weights = hash_weights(&config.init(&device), &torchvision_names(), "", gain);
    let first = convolution("feature_encoder.convnormrelu.0.weight", &[64, 3, 7, 7], 1.0);
    golden.check_values("full_hash.check.first8", &first[..8], SCHEDULE);
    check_pair(&golden, "full_hash", &config.load(&weights, "", &device).unwrap(), &device);
}

#[test]
fn parity_consistency_loss_and_its_gradient() {
    let Some(golden) = Golden::open("laq_losses_raft") else { return };
    let device = device().autodiff();
    let raft = slim(&golden, &device);
    let recon = golden.tensor::<5>("loss.in.recon", &device).require_grad();
    let target: Tensor<5> = golden.tensor("loss.in.gt", &device);
    let all = flow_consistency(&raft, recon.clone().without_autodiff(), target.clone(), None).unwrap();
    golden.check("loss.out.flow_loss_nomask", all, LOSS);
    check_flows_of_first_sample(&golden, &raft, &device);
    let mask: Tensor<2, Bool> = golden.mask("loss.in.mask_loss", &device);
    let loss = flow_consistency(&raft, recon.clone(), target, Some(mask)).unwrap();
    golden.check("loss.out.flow_loss_masked", loss.clone(), LOSS);

    let gradient = values(recon.grad(&loss.backward()).unwrap());
    let expected = golden.floats("loss.grad.recon");
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let difference: Vec<f32> = gradient.iter().zip(&expected).map(|(a, b)| a - b).collect();
    let distance = (dot(&difference, &difference) / dot(&expected, &expected)).sqrt();
    let cosine = dot(&gradient, &expected) / (dot(&gradient, &gradient) * dot(&expected, &expected)).sqrt();
    println!("laq_losses_raft: loss.grad.recon: relative distance {distance:.2e}, cosine {cosine:.8}");
    assert!(distance < GRADIENT_DISTANCE, "relative distance {distance}");
    assert!(cosine > GRADIENT_COSINE, "cosine {cosine}");
}

fn check_flows_of_first_sample(golden: &Golden, raft: &Raft, device: &Device) {
    let frames = |name: &str| -> Tensor<4> {
        golden.tensor::<5>(name, device).without_autodiff().narrow(0, 0, 1).squeeze_dim(0)
    };
    let pairs = frames("loss.in.gt").dims()[0] as i64 - 1;
    let indices = |range: std::ops::Range<i64>| Tensor::arange(range, &device.clone().without_autodiff());
    // The golden has the channel first, then time.
    let forward = raft.flow(frames("loss.in.gt"), indices(0..pairs), indices(1..pairs + 1)).unwrap().swap_dims(0, 1);
    golden.check("loss.out.flow_gt_fwd_sample0", forward, absolute(FLOW_AFTER_TWELVE));
    let backward = raft.flow(frames("loss.in.recon"), indices(1..pairs + 1), indices(0..pairs)).unwrap();
    golden.check("loss.out.flow_recon_bwd_sample0", backward.swap_dims(0, 1), absolute(FLOW_AFTER_TWELVE));
}

#[test]
fn parity_weight_schedule() {
    let Some(golden) = Golden::open("laq_losses_raft") else { return };
    let schedule = FlowSchedule::default();
    let weights: Vec<f32> = golden
        .integers("schedule.step")
        .into_iter()
        .map(|step| schedule.at(step as u64).unwrap_or(0.0) as f32)
        .collect();
    golden.check_values("schedule.flow_weight", &weights, SCHEDULE);
}

/// Weights that the network measures with must not change, whatever is trained around it.
#[test]
fn raft_is_never_trained() {
    let device = device().autodiff();
    let raft = RaftConfig::default().init(&device);
    assert!(!raft.mask_predictor.as_ref().unwrap().output.weight.val().is_require_grad());
    assert!(raft.encode(Tensor::zeros([1, 3, 64, 128], &device)).is_err());
    assert!(raft.num_params() > 5_000_000);
}
