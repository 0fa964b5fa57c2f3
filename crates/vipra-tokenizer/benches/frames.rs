//! Speed of the frame tokenizer on random pixels: a training step with the perceptual loss of the run's own network, and the
//! encoding of frames.
//!
//! Usage: `cargo bench --workspace --bench frames -- [WIDTH] [FRAMES OF A STEP] [STEPS]`, under `perf record` for a profile,
//! with `RAYON_NUM_THREADS=1` for steadier numbers. Prints medians. `benches/peers/tokenizer_torch.py` takes the same.

#[path = "../../vipra-laq/benches/timing/mod.rs"]
mod timing;

use std::error::Error;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use timing::{Timing, median, peak_memory_mib, rounded, time};
use vipra_nn::perceptual::{OwnFeatures, PerceptualConfig};
use vipra_tokenizer::{Vqgan, VqganConfig};
use vipra_train::{Optimizer, OptimizerConfig};

/// Learning rate.
const RATE: f64 = 1e-3;
const WARM_UP: usize = 2;
/// Frames that are encoded together.
const ENCODED: usize = 64;
/// Pictures by which the perceptual network is scaled.
const UNRELATED: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number =
        |index: usize, default: usize| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (width, batch, steps) = (number(0, 32), number(1, 16), number(2, 8));
    vipra_nn::memory::keep_freed();
    let config = tiny(width);
    report("train", batch, steps, &time_training(&config, batch, steps)?);
    report("encode", ENCODED, steps, &time_encoding(&config, steps)?);
    Ok(())
}

/// The preset `tiny`, at this width.
fn tiny(width: usize) -> VqganConfig {
    VqganConfig {
        frame_size: [64, 64],
        width,
        multipliers: vec![1, 1, 2, 2],
        blocks: 1,
        groups: 8,
        latent_dim: 32,
        codes: 512,
        code_dim: 16,
    }
}

fn report(task: &str, frames: usize, steps: usize, timing: &Timing) {
    let result = serde_json::json!({
        "task": task, "frames": frames, "median_s": rounded(median(&timing.seconds)),
        "user_s": rounded(timing.processor.user / steps as f64), "system_s": rounded(timing.processor.system / steps as f64),
        "peak_mib": peak_memory_mib().round(),
    });
    println!("{result}");
}

fn pixels(frames: usize, config: &VqganConfig, device: &Device) -> Tensor<4> {
    let [height, width] = config.frame_size;
    Tensor::random([frames, 3, height, width], Distribution::Uniform(0.0, 1.0), device)
}

fn time_training(config: &VqganConfig, batch: usize, steps: usize) -> Result<Timing, Box<dyn Error>> {
    let device = Device::flex().autodiff();
    device.seed(7);
    let frames = pixels(batch, config, &device);
    let unrelated = pixels(UNRELATED, config, &device);
    let perceptual = OwnFeatures::new(PerceptualConfig::default().widths, &device).into_lpips(unrelated);
    let as_clips = |frames: Tensor<4>| frames.unsqueeze_dim::<5>(1);
    let step = |(model, mut optimizer): (Vqgan, Optimizer)| {
        let rebuilt = model.reconstruct(frames.clone()).frames;
        let similarity = perceptual.loss(as_clips(rebuilt.clone()), as_clips(frames.clone()), None)?;
        let loss = (rebuilt - frames.clone()).abs().mean() + similarity * 0.1;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let model = optimizer.step(model, gradients, RATE, &|_| 1.0);
        Ok((model, optimizer))
    };
    time((config.init(&device)?, Optimizer::new(OptimizerConfig::default())), step, WARM_UP, steps)
}

fn time_encoding(config: &VqganConfig, steps: usize) -> Result<Timing, Box<dyn Error>> {
    let device = Device::flex();
    device.seed(7);
    let model = config.init(&device)?.valid();
    let frames = pixels(ENCODED, config, &device);
    let encode = |()| {
        model.encode(frames.clone()).into_data();
        Ok(())
    };
    time((), encode, WARM_UP, steps)
}
