//! Where a training step of the latent action model spends its time, on random clips: as a whole, or operation by
//! operation at the sizes of `tiny`.
//!
//! Usage: `cargo bench --workspace --bench step -- [tiny|small|paper|ops] [BATCH] [STEPS]`, under `perf record` for a profile,
//! with `RAYON_NUM_THREADS=1` for steadier numbers. Prints medians in milliseconds, of wall time for steps and of processor
//! time for operations (where the system tells it: on Linux).

mod sizes;

use std::time::Instant;

use burn::module::Module;
use burn::nn::{DropoutConfig, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use vipra_laq::LaqConfig;
use vipra_laq::loss::masked_l1;
use vipra_nn::ops::{self, CosineAttentionOptions, RotaryTable, TimePadding};

const FRAMES: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number =
        |index: usize, default: usize| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (batch, steps) = (number(1, 8), number(2, 5));
    vipra_nn::memory::keep_freed();
    match arguments.first().map_or("tiny", String::as_str) {
        "ops" => time_operations(batch, steps),
        size => {
            let config = sizes::named(size).ok_or_else(|| format!("`{size}`: there are tiny, small, paper and ops"))?;
            time_steps(size, &config, batch, steps)?;
        }
    }
    Ok(())
}

fn time_steps(name: &str, config: &LaqConfig, batch: usize, steps: usize) -> Result<(), vipra_laq::Error> {
    let device = Device::flex().autodiff();
    device.seed(7);
    let mut laq = config.init(&device)?;
    let mut optimizer = AdamWConfig::new().init();
    let [height, width] = config.frame_size;
    let clip = Tensor::<5>::random([batch, FRAMES, 3, height, width], Distribution::Uniform(0.0, 1.0), &device);
    let vectors = batch * (FRAMES - 1) * config.code_length;
    let mut times = [const { Vec::new() }; 3];
    let mut losses = Vec::new();
    for _ in 0..=steps {
        let noise = normal([vectors, config.quantizer.dim], &device);
        let began = Instant::now();
        let rebuilt = laq.reconstruct(clip.clone(), noise)?;
        let loss = masked_l1(rebuilt.frames, clip.clone().narrow(1, 1, FRAMES - 1), None);
        times[0].push(milliseconds(began));
        losses.push(loss.clone().into_scalar::<f32>());
        let began = Instant::now();
        let gradients = loss.backward();
        times[1].push(milliseconds(began));
        let began = Instant::now();
        let gradients = GradientsParams::from_grads(gradients, &laq);
        laq = optimizer.step(1e-4, laq, gradients);
        times[2].push(milliseconds(began));
    }
    // The first step warms up.
    let [forward, backward, update] = times.map(|mut times| median(times.split_off(1)));
    let parameters = laq.num_params();
    println!(
        "{name}, batch {batch}, {parameters} parameters: forward {forward:.1}, backward {backward:.1}, optimiser {update:.1}"
    );
    println!("losses {losses:?}");
    Ok(())
}

/// Each fused operation on its own, forward and backward.
fn time_operations(batch: usize, rounds: usize) {
    let device = Device::flex().autodiff();
    let (frames, tokens, dim, heads, head_dim, inner) = (batch * FRAMES, 65, 128, 4, 32, 341);
    let rows = |width: usize| normal([batch, FRAMES, tokens, width], &device).require_grad();
    let vector = |width: usize| normal([width], &device).require_grad();
    let time = |name: &str, operation: &dyn Fn() -> Tensor<4>| {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..=rounds {
            let began = processor_milliseconds();
            let out = operation();
            times[0].push(processor_milliseconds() - began);
            let loss = out.sum();
            let began = processor_milliseconds();
            loss.backward();
            times[1].push(processor_milliseconds() - began);
        }
        let [forward, backward] = times.map(|mut times| median(times.split_off(1)));
        println!("{name:<20} forward {forward:>8.2}, backward {backward:>8.2}");
    };

    let (x, wide, gated) = (rows(dim), rows(4 * dim), rows(2 * inner));
    time("nothing", &|| x.clone() * 1.0);
    time("layer norm", &|| ops::layer_norm(x.clone(), Some(vector(dim)), None, 1e-5));
    let modulation = normal([batch, FRAMES, 2 * dim], &device).require_grad();
    time("modulated norm", &|| ops::modulated_norm(x.clone(), modulation.clone(), 1e-5));
    time("gelu", &|| ops::gelu(wide.clone()));
    let dropout = DropoutConfig::new(0.1).init();
    time("geglu and dropout", &|| ops::geglu_and_drop(gated.clone(), &dropout));
    let (expand, project) =
        (LinearConfig::new(dim, 4 * dim).init(&device), LinearConfig::new(dim, dim).with_bias(false).init(&device));
    time("linear, wide", &|| ops::linear(&expand, x.clone()));
    time("linear", &|| ops::linear(&project, x.clone()));
    let kernel = normal([dim, 1, 3, 3, 3], &device).require_grad();
    time("neighbours", &|| ops::add_neighbours(x.clone(), kernel.clone(), vector(dim), [8, 8], TimePadding::CENTERED));
    let (query, key_value) = (rows(heads * head_dim), rows(2 * heads * head_dim));
    let rotary = Some(RotaryTable::new(FRAMES, head_dim, &device));
    time("attention in time", &|| {
        let options = CosineAttentionOptions { scale: 8.0, rotary: rotary.clone(), causal: true, ..Default::default() };
        ops::cosine_self_attention(query.clone(), key_value.clone(), vector(head_dim), vector(head_dim), options)
    });
    let bias = normal([heads, tokens, tokens], &device).require_grad();
    let of_frames = |width: usize| normal([frames, tokens, 1, width], &device).require_grad();
    let (query, key_value) = (of_frames(heads * head_dim), of_frames(2 * heads * head_dim));
    time("attention in space", &|| {
        let options = CosineAttentionOptions { scale: 8.0, bias: Some(bias.clone()), ..Default::default() };
        ops::cosine_self_attention(query.clone(), key_value.clone(), vector(head_dim), vector(head_dim), options)
    });
    let all = normal([frames, tokens, 3 * dim], &device).require_grad();
    time("dot attention", &|| ops::dot_self_attention(all.clone(), heads).unsqueeze_dim(0));
}

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// Time that all threads of this process have run so far.
fn processor_milliseconds() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    times.sum::<f64>() / 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
