//! Optimisers and schedules against the reference's (golden `optimizers`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is the message of a test")]

#[path = "../../vipra-nn/tests/parity/golden.rs"]
mod golden;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use golden::{Golden, Tolerance};
use vipra_train::{Optimizer, OptimizerConfig, Schedule, clip_by_norm, global_norm};

/// Of the manifest; the absolute part is below the last digit of a parameter of size 1.
const TOLERANCE: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-8 };

#[derive(Module, Debug)]
struct Pair {
    a: Param<Tensor<2>>,
    b: Param<Tensor<1>>,
}

impl Pair {
    fn of(golden: &Golden, device: &Device) -> Self {
        let a = golden.tensor::<2>("in.param.a", device).require_grad();
        Self {
            a: Param::from_tensor(a),
            b: Param::from_tensor(golden.tensor::<1>("in.param.b", device).require_grad()),
        }
    }

    fn gradients(&self, golden: &Golden, step: usize, device: &Device) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        gradients.register(self.a.id, golden.tensor::<2>(&format!("in.grad{step}.a"), device));
        gradients.register(self.b.id, golden.tensor::<1>(&format!("in.grad{step}.b"), device));
        gradients
    }
}

fn real(golden: &Golden, path: &str) -> f64 {
    path.split('.').fold(&golden.config, |value, key| &value[key]).as_f64().unwrap()
}

fn check(golden: &Golden, prefix: &str, config: &OptimizerConfig, steps: u64, factor: &dyn Fn(&str) -> f64) {
    let device = Device::flex();
    let mut pair = Pair::of(golden, &device.clone().autodiff());
    let mut optimizer = Optimizer::new(config.clone());
    for step in 0.. {
        if !golden.has(&format!("{prefix}.param_after{step}.a")) {
            assert!(step > 2, "{prefix} has steps");
            return;
        }
        let gradients = pair.gradients(golden, step, &device);
        let norm = global_norm(&pair, &gradients);
        if golden.has(&format!("{prefix}.grad_norm{step}")) {
            golden.check_values(&format!("{prefix}.grad_norm{step}"), &[norm as f32], TOLERANCE);
        }
        let gradients = clip_by_norm(&pair, gradients, norm, config.clip_norm);
        pair = optimizer.step(pair, gradients, config.rate_at(step as u64, steps), factor);
        golden.check(&format!("{prefix}.param_after{step}.a"), pair.a.val(), TOLERANCE);
        golden.check(&format!("{prefix}.param_after{step}.b"), pair.b.val(), TOLERANCE);
    }
}

#[test]
fn parity_latent_action_optimizer() {
    let Some(golden) = Golden::open("optimizers") else { return };
    let config = OptimizerConfig {
        learning_rate: real(&golden, "torch.lr"),
        weight_decay: real(&golden, "torch.weight_decay"),
        clip_norm: real(&golden, "torch.clip"),
        ..OptimizerConfig::default()
    };
    // "a" is the pretrained group.
    check(&golden, "torch", &config, 1_000, &|name| if name == "a" { 0.1 } else { 1.0 });
}

#[test]
fn parity_policy_optimizer() {
    let Some(golden) = Golden::open("optimizers") else { return };
    for case in ["pretrain", "wd"] {
        let of = |key: &str| real(&golden, &format!("jax_{case}.{key}"));
        let config = OptimizerConfig {
            learning_rate: of("lr"),
            schedule: Schedule::Cosine,
            final_rate: of("end_lr") / of("lr"),
            warm_up_steps: of("lr_warmup_steps") as u64,
            beta_1: real(&golden, "b1"),
            beta_2: real(&golden, "b2"),
            weight_decay: of("weight_decay"),
            decay_min_axes: 0,
            clip_norm: real(&golden, "clip"),
            ..OptimizerConfig::default()
        };
        let steps = of("lr_decay_steps") as u64;
        check(&golden, &format!("jax.{case}"), &config, steps, &|_| 1.0);
        let (at, rates) = match case {
            "pretrain" => ("jax.schedule.step", "jax.schedule.lr_pretrain"),
            _ => ("jax.schedule2.step", "jax.schedule2.lr"),
        };
        let found: Vec<f32> =
            golden.integers(at).into_iter().map(|step| config.rate_at(step as u64, steps) as f32).collect();
        golden.check_values(rates, &found, TOLERANCE);
    }
}
