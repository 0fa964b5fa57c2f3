//! Latency of an action chunk: reading a condition of random tokens, then ten Euler steps.
//!
//! Usage: `cargo bench --workspace --bench chunk -- chunk [--size tiny|small|200m] [--rows N] [--length L] [--count N]
//! [--sampler cached|naive]`. Prints one line of JSON, the same as `benches/peers/chunk_torch.py`; `benches/chunk.py` runs
//! the two in turns. `RAYON_NUM_THREADS` sets the threads. The frame tokenizer is not part of it.
//!
//! `cached` reads the condition once and runs the 14 tokens of the chunk behind it; `naive` reads everything at each step.

mod common;
#[path = "../../vipra-laq/benches/timing/mod.rs"]
mod timing;

use std::error::Error;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use common::size_of;
use timing::{median, peak_memory_mib, rounded, time};
use vipra_nn::threads::on_a_worker;
use vipra_policy::flow_matching::SolverConfig;
use vipra_policy::layout::TokenKind;
use vipra_policy::model::{ActionDecoder, ActionSizes, ContinuousInputs, KvCache, NewParameters, PolicyModel, Tokens};
use vipra_policy::policy::{flow_chunks, flow_chunks_naively};

const HORIZON: usize = 14;
const ACTION: usize = 7;
const WARM_UP: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    vipra_nn::memory::keep_freed();
    vipra_nn::threads::start();
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)
    };
    let number = |flag: &str, default: usize| value(flag).map_or(Ok(default), |text| text.parse());
    if arguments.first().is_none_or(|argument| argument != "chunk") {
        println!("no mode named: nothing to measure (usage: chunk chunk [--size tiny|small|200m] …)");
        return Ok(());
    }
    let size = value("--size").map_or("tiny", String::as_str);
    let sampler = value("--sampler").map_or("cached", String::as_str);
    let (rows, length, count) = (number("--rows", 1)?, number("--length", 190)?, number("--count", 30)?.max(1));
    let model = model(size)?;
    // As a policy does it.
    let chunk =
        || on_a_worker(&Device::flex(), || make(&model, sampler, rows, length).map_err(|error| error.to_string()));
    let timing = time((), |()| Ok(chunk().map(drop)?), WARM_UP, count)?;
    let mut sorted = timing.seconds.clone();
    sorted.sort_by(f64::total_cmp);
    let slow = sorted[((count - 1) as f64 * 0.95).round() as usize];
    let report = serde_json::json!({
        "size": size, "rows": rows, "length": length, "sampler": sampler, "count": count,
        "p50_ms": rounded(1e3 * median(&timing.seconds)), "p95_ms": rounded(1e3 * slow),
        "user_s": rounded(timing.processor.user / count as f64),
        "system_s": rounded(timing.processor.system / count as f64), "peak_mib": peak_memory_mib().round(),
    });
    println!("{report}");
    Ok(())
}

fn model(size: &str) -> Result<PolicyModel> {
    let (config, vocabularies) = size_of(size)?;
    let device = Device::flex();
    device.seed(0);
    let sizes = ActionSizes { decoder: ActionDecoder::FlowMatching, action: ACTION, proprio: None, bins: 0 };
    Ok(sizes.init(config.init(&vocabularies, &device)?, &NewParameters::default(), &device).valid())
}

/// From tokens to numbers, as a robot waits for them.
fn make(model: &PolicyModel, sampler: &str, rows: usize, length: usize) -> Result<Vec<f32>> {
    let ids: Vec<u32> = (0..rows * length).map(|at| (at * 7 % 500) as u32).collect();
    let kind = |at: usize| if at % length * 3 < length { TokenKind::Text } else { TokenKind::Vision };
    let kinds: Vec<TokenKind> = (0..rows * length).map(kind).collect();
    let noise = Tensor::random([rows, HORIZON, ACTION], Distribution::Normal(0.0, 1.0), &Device::flex());
    let condition = Tokens::new(rows, &ids, &kinds);
    let solver = SolverConfig::default();
    let chunks = match sampler {
        "cached" => {
            let mut cache = KvCache::default();
            model.transformer.forward_cached_last(condition, &[], &mut cache)?;
            flow_chunks(model, &cache, 1, noise, solver)?
        }
        "naive" => {
            let condition = model.embed(condition, &ContinuousInputs::default())?;
            flow_chunks_naively(model, &condition, None, noise, solver)?
        }
        other => return Err(format!("`--sampler {other}`: there are cached and naive").into()),
    };
    Ok(chunks.into_data().iter::<f32>().collect())
}
