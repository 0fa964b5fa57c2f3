//! The perceptual loss (golden `laq_losses_lpips`).

use burn::tensor::{Bool, Device, Tensor};
use vipra_nn::perceptual::{LPIPS_NAMES, Lpips, LpipsConfig, Vgg};
use vipra_nn::weights::Names;

use crate::golden::{Golden, Tolerance, device};
use crate::hash_weights::{convolution, hash_weights};

/// Of the manifest.
const VALUE: Tolerance = Tolerance { relative: 1e-4, absolute: 0.0 };
const GRADIENT_RELATIVE: f32 = 2e-3;
const GRADIENT_SHARE: f32 = 1e-3;

/// Widths of the blocks: the number before each "M" of a VGG plan, and the last.
fn slim_widths(golden: &Golden) -> [usize; 5] {
    let plan = golden.config["slim_channels"].as_array().unwrap();
    let blocks = plan.split(|entry| entry.is_string());
    let widths: Vec<usize> = blocks.map(|block| block.last().unwrap().as_u64().unwrap() as usize).collect();
    widths.try_into().unwrap()
}

fn check(golden: &Golden, case: &str, lpips: &Lpips, device: &Device) {
    let recon = golden.tensor::<5>(&format!("{case}.in.recon"), device).require_grad();
    let target: Tensor<5> = golden.tensor(&format!("{case}.in.gt"), device);
    let [batch, time, channels, height, width] = recon.dims();
    let flatten = |x: Tensor<5>| x.reshape([batch * time, channels, height, width]);
    let (pictures, targets) = (flatten(recon.clone().detach()), flatten(target.clone()));
    let per_block = lpips.per_block(pictures.clone(), targets);
    golden.check(&format!("{case}.out.per_layer"), per_block.clone(), VALUE);
    golden.check(&format!("{case}.out.per_image"), per_block.sum_dim(1).squeeze_dim::<1>(1), VALUE);
    let means = lpips.features(pictures).into_iter().map(|tap| tap.abs().mean()).collect();
    golden.check(&format!("{case}.out.feat_mean_abs"), Tensor::cat(means, 0), VALUE);

    let mask: Tensor<2, Bool> = golden.mask(&format!("{case}.in.mask_loss"), device);
    let loss = lpips.loss(recon.clone(), target, Some(mask)).unwrap();
    golden.check(&format!("{case}.out.loss_masked"), loss.clone(), VALUE);
    let name = format!("{case}.grad.recon");
    let gradient = recon.grad(&loss.backward()).unwrap();
    golden.check(&name, gradient, golden.relative_to_largest(&name, GRADIENT_RELATIVE, GRADIENT_SHARE));
}

#[test]
fn parity_slim_network() {
    let Some(golden) = Golden::open("laq_losses_lpips") else { return };
    let device = device().autodiff();
    let weights = golden.weights();
    let lpips = LpipsConfig { widths: slim_widths(&golden) }.load(&weights, &weights, "slim.", &device).unwrap();
    check(&golden, "slim", &lpips, &device);
}

#[test]
fn parity_full_network_with_the_published_heads() {
    let Some(golden) = Golden::open("laq_losses_lpips") else { return };
    let device = device().autodiff();
    let config = LpipsConfig::default();
    let names = Names::default().prefix("real.net.").rename(LPIPS_NAMES);
    let convolutions = hash_weights(&Vgg::new(config.widths, &device), &names, "real.net.", |_| 1.0);
    let first = convolution("slice1.0.weight", &[64, 3, 3, 3], 1.0);
    golden.check_values("full_hash.check.first8", &first[..8], VALUE);
    let last = convolution("slice5.28.weight", &[512, 512, 3, 3], 1.0);
    golden.check_values("full_hash.check.last_layer_first8", &last[..8], VALUE);
    let lpips = config.load(&convolutions, &golden.weights(), "real.", &device).unwrap();
    check(&golden, "full_hash", &lpips, &device);
}

/// A picture that drives whole feature vectors to zero must not poison the gradient.
#[test]
fn gradients_are_finite_where_features_vanish() {
    let device = device().autodiff();
    let names = Names::default().prefix("net.").rename(LPIPS_NAMES);
    let config = LpipsConfig { widths: [2; 5] };
    let mut weights = hash_weights(&Vgg::new(config.widths, &device), &names, "net.", |_| 1.0);
    for index in 0..5 {
        weights.insert(format!("lin{index}.model.1.weight"), vec![1, 2, 1, 1], vec![1.0; 2]);
    }
    weights.insert("net.slice1.2.weight", vec![2, 2, 3, 3], vec![-1.0; 36]);
    weights.insert("net.slice1.2.bias", vec![2], vec![-1.0; 2]);
    let lpips = config.load(&weights, &weights, "", &device).unwrap();
    let pictures = Tensor::<5>::zeros([1, 1, 3, 16, 16], &device).require_grad();
    let loss = lpips.loss(pictures.clone(), Tensor::ones([1, 1, 3, 16, 16], &device), None).unwrap();
    let gradient = pictures.grad(&loss.backward()).unwrap();
    assert!(gradient.is_finite().all().into_scalar::<bool>());
    let none = Tensor::<2, Bool>::from_data([[false]], &device);
    let loss = lpips.loss(pictures.clone(), pictures.detach(), Some(none)).unwrap();
    assert_eq!(loss.into_scalar::<f32>(), 0.0);
    assert!(
        lpips.loss(Tensor::zeros([1, 1, 3, 8, 8], &device), Tensor::zeros([1, 1, 3, 8, 8], &device), None).is_err()
    );
}
