//! Training steps and labelling of the latent action model, on random pixels.
//!
//! Usage: `cargo bench --workspace --bench laq -- train|label [--size tiny|small|paper] [--batch B] [--frames T]
//! [--steps N] [--warm-up N]`. Prints one line of JSON, the same as `benches/peers/laq_torch.py`; `benches/laq.py` runs
//! the two in turns. `RAYON_NUM_THREADS` sets the threads.
//!
//! `train`: a step is forward, masked L1, backward, clipping by the norm of all gradients, AdamW, on `batch` clips of
//! `frames` frames. `label`: a step gives each frame of an episode of `frames` frames the codes of its window, `batch`
//! windows at a time.

mod sizes;
mod timing;

use std::error::Error;

use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};
use timing::{median, peak_memory_mib, rounded, time};
use vipra_laq::loss::masked_l1;
use vipra_laq::quantizer::CodeUsage;
use vipra_laq::{Laq, LaqConfig};
use vipra_train::{Optimizer, OptimizerConfig, clip_by_norm, global_norm};

/// Learning rate, and the spatial encoder's (reference 4).
const RATES: [f64; 2] = [1e-4, 1e-5];
/// Largest norm of all gradients together (reference 4).
const LARGEST_NORM: f64 = 6.0;
/// Frames of a window of labelling: one before the labelled frame, itself, and 14 after it (reference 3).
const WINDOW: usize = 16;
/// Transitions of a window whose codes are kept: those behind the labelled frame.
const KEPT: usize = 14;
/// Frames that go through the spatial encoder at a time when an episode is labelled.
const FRAMES_AT_A_TIME: usize = 16;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    vipra_nn::memory::keep_freed();
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)
    };
    let number = |flag: &str, default: usize| value(flag).map_or(Ok(default), |text| text.parse());
    let Some(mode) = arguments.first().filter(|argument| !argument.starts_with("--")) else {
        println!("no mode named: nothing to measure (usage: laq train|label [--size tiny|small|paper] …)");
        return Ok(());
    };
    let size = value("--size").map_or("tiny", String::as_str);
    let config = sizes::named(size).ok_or_else(|| format!("`--size {size}`: there are tiny, small and paper"))?;
    let (batch, frames) = (number("--batch", 8)?, number("--frames", 8)?);
    let (warm_up, steps) = (number("--warm-up", 1)?, number("--steps", 5)?.max(1));

    let (timing, frames_a_step) = match mode.as_str() {
        "train" => (time(Trainer::new(config, batch, frames)?, Trainer::step, warm_up, steps)?, batch * frames),
        "label" => (time(Labeller::new(config, batch, frames)?, Labeller::label, warm_up, steps)?, frames),
        other => return Err(format!("`{other}`: there are train and label").into()),
    };
    let median = median(&timing.seconds);
    let report = serde_json::json!({
        "mode": mode, "size": size, "batch": batch, "frames": frames,
        "median_s": rounded(median), "frames_per_s": rounded(frames_a_step as f64 / median),
        "user_s": rounded(timing.processor.user / steps as f64),
        "system_s": rounded(timing.processor.system / steps as f64), "peak_mib": peak_memory_mib().round(),
        "seconds": timing.seconds.into_iter().map(rounded).collect::<Vec<f64>>(),
    });
    println!("{report}");
    Ok(())
}

struct Trainer {
    laq: Laq,
    optimizer: Optimizer,
    usage: CodeUsage,
    clips: Tensor<5>,
    device: Device,
}

impl Trainer {
    fn new(config: LaqConfig, batch: usize, frames: usize) -> Result<Self> {
        let device = Device::flex().autodiff();
        device.seed(0);
        let [height, width] = config.frame_size;
        Ok(Self {
            laq: config.init(&device)?,
            optimizer: Optimizer::new(OptimizerConfig::default()),
            usage: CodeUsage::new(config.quantizer.codes),
            clips: Tensor::random([batch, frames, 3, height, width], Distribution::Uniform(0.0, 1.0), &device),
            device,
        })
    }

    fn step(mut self) -> Result<Self> {
        let [batch, time, ..] = self.clips.dims();
        let transitions = time - 1;
        let config = &self.laq.config;
        let vectors = [batch * transitions * config.code_length, config.quantizer.dim];
        let noise = Tensor::random(vectors, Distribution::Normal(0.0, 1.0), &self.device);
        let reconstruction = self.laq.reconstruct(self.clips.clone(), noise)?;
        self.usage.add(&reconstruction.codes.try_into_vec_as::<i64>()?);
        let target = self.clips.clone().narrow(1, 1, transitions);
        let mask = Tensor::<2, Bool>::full([batch, transitions], true, &self.device);
        let loss = masked_l1(reconstruction.frames, target, Some(mask));
        let gradients = GradientsParams::from_grads(loss.backward(), &self.laq);
        let norm = global_norm(&self.laq, &gradients);
        let gradients = clip_by_norm(&self.laq, gradients, norm, LARGEST_NORM);
        // A training loop looks at its loss.
        let loss = loss.into_scalar::<f32>();
        if loss.is_finite() { Ok(self.optimize(gradients)) } else { Err("the loss is not finite".into()) }
    }

    fn optimize(mut self, gradients: GradientsParams) -> Self {
        let [base, spatial_encoder] = RATES;
        let factor = |name: &str| if name.starts_with("spatial_encoder.") { spatial_encoder / base } else { 1.0 };
        self.laq = self.optimizer.step(self.laq, gradients, base, &factor);
        self
    }
}

struct Labeller {
    laq: Laq,
    /// `[frames, 3, height, width]`
    episode: Tensor<4>,
    windows_at_a_time: usize,
}

impl Labeller {
    fn new(config: LaqConfig, windows_at_a_time: usize, frames: usize) -> Result<Self> {
        let device = Device::flex();
        device.seed(0);
        let [height, width] = config.frame_size;
        let episode = Tensor::random([frames, 3, height, width], Distribution::Uniform(0.0, 1.0), &device);
        Ok(Self { laq: config.init(&device)?, episode, windows_at_a_time })
    }

    /// Each frame goes through the spatial encoder once; windows, which overlap, are made of features. The ends of the
    /// episode are repeated.
    fn label(self) -> Result<Self> {
        let frames = self.episode.dims()[0];
        let features = (0..frames).step_by(FRAMES_AT_A_TIME).map(|first| {
            let count = FRAMES_AT_A_TIME.min(frames - first);
            self.laq.encode_frames(self.episode.clone().narrow(0, first, count))
        });
        let features = Tensor::cat(features.collect(), 0);
        let [_, patches, dim] = features.dims();
        let mut codes: Vec<i64> = Vec::with_capacity(frames * KEPT * self.laq.config.code_length);
        for first in (0..frames).step_by(self.windows_at_a_time) {
            let windows = self.windows_at_a_time.min(frames - first);
            let places: Vec<i64> = (first..first + windows)
                .flat_map(|frame| {
                    (0..WINDOW).map(move |place| (frame + place).saturating_sub(1).min(frames - 1) as i64)
                })
                .collect();
            let places = TensorData::new(places, [windows * WINDOW]);
            let places = Tensor::<1, Int>::from_data(places, &features.device());
            let window = features.clone().select(0, places).reshape([windows, WINDOW, patches, dim]);
            let inferred = self.laq.infer_from_features(window).codes;
            codes.extend(inferred.narrow(1, WINDOW - 1 - KEPT, KEPT).try_into_vec_as::<i64>()?);
        }
        if codes.len() == codes.capacity() { Ok(self) } else { Err("some frames have no codes".into()) }
    }
}
