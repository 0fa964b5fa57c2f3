//! Training steps of the multimodal transformer, on random tokens.
//!
//! Usage: `cargo bench --workspace --bench pretrain -- train [--size tiny|small|200m] [--batch B] [--length L] [--steps N]
//! [--warm-up N] [--logits chosen|all]`. Prints one line of JSON, the same as `benches/peers/policy_torch.py`;
//! `benches/pretrain.py` runs the two in turns. `RAYON_NUM_THREADS` sets the threads.
//!
//! A step is forward, the three cross-entropies, backward, clipping by the norm of all gradients, AdamW, on `batch` samples
//! of `length` positions: a tenth text, four tenths observed frames, two tenths latent state, the rest latent actions but for a
//! few markers; what comes behind the frames is predicted. `--logits all` scores every vocabulary at every position, as the
//! reference does.

mod common;
#[path = "../../vipra-laq/benches/timing/mod.rs"]
mod timing;

use std::error::Error;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use common::size_of;
use timing::{median, peak_memory_mib, rounded, time};
use vipra_policy::layout::{Batch, Sample, TokenKind};
use vipra_policy::loss::{TokenWeights, cross_entropies};
use vipra_policy::model::{Tokens, Transformer, TransformerConfig, Vocabularies};
use vipra_train::{Optimizer, OptimizerConfig, clip_by_norm, global_norm};

/// The release's (reference 6.6).
const RATE: f64 = 4e-5;
const LARGEST_NORM: f64 = 1.0;
/// Tokens of text at the end of a sample.
const MARKERS: usize = 8;

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
    if arguments.first().is_none_or(|argument| argument != "train") {
        println!("no mode named: nothing to measure (usage: pretrain train [--size tiny|small|200m] …)");
        return Ok(());
    }
    let size = value("--size").map_or("tiny", String::as_str);
    let (config, vocabularies) = size_of(size)?;
    let (batch, length) = (number("--batch", 4)?, number("--length", 512)?);
    let (warm_up, steps) = (number("--warm-up", 1)?, number("--steps", 3)?.max(1));
    let all_logits = value("--logits").is_some_and(|which| which == "all");
    let trainer = Trainer::new(&config, &vocabularies, batch, length, all_logits)?;
    let timing = time(trainer, Trainer::step, warm_up, steps)?;
    let median = median(&timing.seconds);
    let report = serde_json::json!({
        "size": size, "batch": batch, "length": length,
        "median_s": rounded(median), "tokens_per_s": rounded((batch * length) as f64 / median),
        "user_s": rounded(timing.processor.user / steps as f64),
        "system_s": rounded(timing.processor.system / steps as f64), "peak_mib": peak_memory_mib().round(),
        "seconds": timing.seconds.into_iter().map(rounded).collect::<Vec<f64>>(),
    });
    println!("{report}");
    Ok(())
}

struct Trainer {
    model: Transformer,
    optimizer: Optimizer,
    batch: Batch,
    all_logits: bool,
}

impl Trainer {
    fn new(
        config: &TransformerConfig,
        vocabularies: &Vocabularies,
        batch: usize,
        length: usize,
        all_logits: bool,
    ) -> Result<Self> {
        let device = Device::flex().autodiff();
        device.seed(0);
        let rows: Vec<Vec<Sample>> = (0..batch).map(|row| vec![sample(length + 1, row, vocabularies)]).collect();
        Ok(Self {
            model: config.init(vocabularies, &device)?,
            optimizer: Optimizer::new(OptimizerConfig {
                learning_rate: RATE,
                beta_2: 0.95,
                ..OptimizerConfig::default()
            }),
            batch: Batch::new(&rows, 1),
            all_logits,
        })
    }

    fn step(mut self) -> Result<Self> {
        let batch = &self.batch;
        let tokens = Tokens::new(batch.rows, &batch.ids, &batch.kinds);
        let hidden = self.model.forward(tokens, None)?;
        let weights = TokenWeights::default();
        let mut total = Tensor::<1>::zeros([1], &hidden.device());
        if self.all_logits {
            // Every head at every position, and the loss of those that count.
            for (kind, targets) in &batch.targets {
                let logits = self.model.logits(*kind, hidden.clone())?;
                let [rows, length, classes] = logits.dims();
                let (mut ids, mut shares) = (vec![0; rows * length], vec![0.0; rows * length]);
                for (at, position) in targets.positions.iter().enumerate() {
                    ids[*position as usize] = targets.ids[at];
                    shares[*position as usize] = targets.weights[at];
                }
                let flat = logits.reshape([rows * length, classes]);
                total = total + vipra_nn::ops::cross_entropy(flat, &ids, &shares) * weights.of(*kind);
            }
        } else {
            for (kind, term) in cross_entropies(batch, &hidden, |kind, rows| self.model.logits(kind, rows))? {
                total = total + term * weights.of(kind);
            }
        }
        let gradients = GradientsParams::from_grads(total.backward(), &self.model);
        let norm = global_norm(&self.model, &gradients);
        let gradients = clip_by_norm(&self.model, gradients, norm, LARGEST_NORM);
        // A training loop looks at its loss.
        if !total.into_scalar::<f32>().is_finite() {
            return Err("the loss is not finite".into());
        }
        self.model = self.optimizer.step(self.model, gradients, RATE, &|_| 1.0);
        Ok(self)
    }
}

/// Tokens that depend on the row and the position alone.
fn sample(length: usize, row: usize, vocabularies: &Vocabularies) -> Sample {
    let kind = |position: usize| match position * 10 / length {
        _ if position + MARKERS >= length => (TokenKind::Text, vocabularies.text, true),
        0 => (TokenKind::Text, vocabularies.text, false),
        1..=4 => (TokenKind::Vision, vocabularies.vision, false),
        5..=6 => (TokenKind::LatentState, vocabularies.vision, true),
        _ => (TokenKind::LatentAction, vocabularies.latent_action, true),
    };
    let mut sample = Sample::default();
    for position in 0..length {
        let (kind, ids, is_predicted) = kind(position);
        sample.ids.push(((position * 7919 + row * 104_729) % ids) as u32);
        sample.kinds.push(kind);
        sample.is_predicted.push(is_predicted);
    }
    sample
}
