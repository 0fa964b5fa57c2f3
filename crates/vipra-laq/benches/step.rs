//! Where a training step of the latent action model spends its time: forward, backward and optimiser on random clips.
//!
//! Usage: `cargo bench --workspace --bench step -- [tiny|small] [BATCH] [STEPS]`, under `perf record` for a profile. Prints
//! medians in milliseconds of wall time.

use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use vipra_laq::LaqConfig;
use vipra_laq::loss::masked_l1;

const FRAMES: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let preset = arguments.first().map_or("tiny", String::as_str);
    let config = match preset {
        "small" => LaqConfig::small(),
        _ => LaqConfig::tiny(),
    };
    let number =
        |index: usize, default: usize| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (batch, steps) = (number(1, 8), number(2, 5));

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
        let noise = Tensor::<2>::random([vectors, config.quantizer.dim], Distribution::Normal(0.0, 1.0), &device);
        let began = Instant::now();
        let rebuilt = laq.reconstruct(clip.clone(), noise)?;
        let loss = masked_l1(rebuilt.frames, clip.clone().narrow(1, 1, FRAMES - 1), None);
        times[0].push(began.elapsed().as_secs_f64() * 1e3);
        losses.push(loss.clone().into_scalar::<f32>());
        let began = Instant::now();
        let gradients = loss.backward();
        times[1].push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        let gradients = GradientsParams::from_grads(gradients, &laq);
        laq = optimizer.step(1e-4, laq, gradients);
        times[2].push(began.elapsed().as_secs_f64() * 1e3);
    }
    let median = |times: &[f64]| {
        // The first step warms up.
        let mut times = times[1..].to_vec();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let [forward, backward, update] = times.each_ref().map(|times| median(times));
    println!(
        "{preset}, batch {batch}, {} parameters: forward {forward:.1} ms, backward {backward:.1} ms, optimiser {update:.1} ms",
        laq.num_params()
    );
    println!("losses {losses:?}");
    Ok(())
}
