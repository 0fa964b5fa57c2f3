use burn::module::Module;
use burn::tensor::Device;
use burn::tensor::activation::softmax;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::fixtures::{
    HORIZON, INSTRUCTIONS, frame_tokenizer, policy_model, small_vocabularies, specification, text_tokenizer,
    transformer_config, values,
};
use crate::flow_matching::SolverMethod;
use crate::layout::Content;
use crate::model::shake::{Shake, normal};
use crate::model::{ActionSizes, NewParameters, TransformerConfig};
use crate::prompt::prompt;

const ROWS: usize = 2;
const WORDS: usize = 3;

fn model() -> PolicyModel {
    let device = Device::flex();
    let sizes = ActionSizes { decoder: ActionDecoder::FlowMatching, action: 3, proprio: None, bins: 0 };
    let config = TransformerConfig { dim: 8, feed_forward: 16, ..transformer_config() };
    let transformer = config.init(&small_vocabularies(), &device).unwrap();
    sizes.init(transformer, &NewParameters::default(), &device).map(&mut Shake::new(1))
}

/// A cache of conditions of `WORDS` words each.
fn read(model: &PolicyModel, ids: &[u32]) -> KvCache {
    let kinds = vec![TokenKind::Text; ids.len()];
    let tokens = Tokens::new(ids.len() / WORDS, ids, &kinds);
    let mut cache = KvCache::default();
    model.forward_cached_last(tokens, &ContinuousInputs::default(), &mut cache).unwrap();
    cache
}

#[test]
fn a_chunk_follows_the_mean_velocity_of_its_conditions() {
    let model = model();
    let noise = normal([ROWS, 4, 3], 2);
    let solver = SolverConfig { steps: 1, ..SolverConfig::default() };
    let flow = |ids: &[u32], conditions, solver| {
        flow_chunks(&model, &read(&model, ids), conditions, noise.clone(), solver).unwrap()
    };
    let (here, there) = ([1, 2, 3, 4, 5, 6], [8, 7, 6, 5, 4, 3]);
    let adjacent = [1, 2, 3, 8, 7, 6, 4, 5, 6, 5, 4, 3];
    let mean = (flow(&here, 1, solver) + flow(&there, 1, solver)) / 2.0;
    let apart = (flow(&here, 1, solver) - mean.clone()).abs().max().into_scalar::<f32>();
    assert!(apart > 1e-3, "the conditions must differ: {apart}");
    let difference = (flow(&adjacent, 2, solver) - mean).abs().max().into_scalar::<f32>();
    assert!(difference < 1e-5, "{difference}");

    let twice = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6];
    let heun = SolverConfig { method: SolverMethod::Heun, steps: 3, ..solver };
    let difference = (flow(&twice, 2, heun) - flow(&here, 1, heun)).abs().max().into_scalar::<f32>();
    assert!(difference < 1e-5, "{difference}");
}

/// An autoregressive policy, and prompts of one instruction and different frames.
struct Autoregressive {
    model: PolicyModel,
    specification: Specification,
    layout: SampleLayout,
    text: Vec<u32>,
    prompts: Vec<Sample>,
}

impl Autoregressive {
    fn new() -> Self {
        let (tokenizer, text) = (frame_tokenizer(), text_tokenizer());
        let specification = specification(ActionDecoder::Autoregressive, None, &tokenizer, &text);
        let layout = specification.layout(&text).unwrap();
        let text = text.encode(&prompt(INSTRUCTIONS[0])).unwrap();
        let prompts =
            [[[0, 1, 2, 3], [4, 5, 6, 7]], [[11, 3, 8, 8], [2, 9, 9, 0]]].map(|[past, now]: [[u16; 4]; 2]| {
                layout.prompt(&Content { text: &text, frames: &[&past, &now], ..Content::default() }, TokenKind::Action)
            });
        let model = policy_model(&specification);
        Self { model, specification, layout, prompts: prompts.to_vec(), text }
    }

    /// Chunks of all prompts, `[horizon·action]` each.
    fn decode(&self, temperature: f64, seed: u64) -> Vec<Vec<f32>> {
        self.decode_crops(&self.prompts, 1, temperature, seed)
    }

    fn decode_crops(&self, prompts: &[Sample], crops: usize, temperature: f64, seed: u64) -> Vec<Vec<f32>> {
        let mut specification = self.specification.clone();
        specification.sampling.temperature = temperature;
        let (model, layout) = (&self.model, &self.layout);
        let decoder = ChunkDecoder { model, specification: &specification, layout, crops };
        let prefix = decoder.read_prefix(layout.prefix(&self.text).ids).unwrap();
        decoder.decode(prompts, None, &prefix, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    /// The bins that are likeliest by the mean over prompts, one after the other, each by passes over everything before it.
    fn decode_naively(&self, prompts: &[Sample]) -> Vec<f32> {
        let bins = self.specification.bins.as_ref().unwrap();
        let mut chosen = Vec::new();
        for position in 0..HORIZON * bins.width() {
            let choices = bins.count(position % bins.width());
            let shares = prompts.iter().map(|prompt| values(self.next_probabilities(prompt, &chosen, choices)));
            let shares: Vec<Vec<f32>> = shares.collect();
            let mean = |choice: usize| shares.iter().map(|row| row[choice]).sum::<f32>();
            chosen.push((0..choices).max_by(|a, b| mean(*a).total_cmp(&mean(*b))).unwrap() as u32);
        }
        bins.decode(&chosen).unwrap().into_iter().map(|value| value as f32).collect()
    }

    /// Of the next action's bin, behind a prompt and what was chosen after it, `[1, 1, choices]`.
    fn next_probabilities(&self, prompt: &Sample, chosen: &[u32], choices: usize) -> Tensor<3> {
        let ids = [&prompt.ids[..], chosen].concat();
        let kinds = [&prompt.kinds[..], &vec![TokenKind::Action; chosen.len()]].concat();
        let embedded = self.model.embed(Tokens::new(1, &ids, &kinds), &ContinuousInputs::default()).unwrap();
        let hidden = self.model.transformer.forward_embedded(embedded, None);
        let logits = self.model.logits(TokenKind::Action, hidden.narrow(1, ids.len() - 1, 1)).unwrap();
        softmax(logits.narrow(2, 0, choices), 2)
    }
}

#[test]
fn greedy_bins_behind_a_cache_match_passes_over_the_whole() {
    let policy = Autoregressive::new();
    let chunks = policy.decode(0.0, 0);
    assert_eq!(chunks.len(), 2);
    for (chunk, prompt) in chunks.iter().zip(&policy.prompts) {
        assert_eq!(chunk.len(), HORIZON * 2);
        assert_eq!(chunk, &policy.decode_naively(std::slice::from_ref(prompt)));
    }
}

#[test]
fn bins_of_several_crops_are_the_likeliest_by_their_mean() {
    let policy = Autoregressive::new();
    let [first, second] = &policy.prompts[..] else { panic!("other prompts") };
    let prompts = [first, second, second, first, first, first].map(Sample::clone);
    let chunks = policy.decode_crops(&prompts, 2, 0.0, 0);
    let mean = policy.decode_naively(&prompts[..2]);
    assert_eq!(chunks, [mean.clone(), mean, policy.decode_naively(&prompts[4..])]);
    assert_ne!(chunks[2], policy.decode_naively(&prompts[1..2]), "crops must matter");
}

#[test]
fn sampled_bins_depend_on_the_seed_and_differ_from_greedy_ones() {
    let policy = Autoregressive::new();
    let sampled: Vec<_> = (0..4).map(|seed| policy.decode(1.0, seed)).collect();
    assert_eq!(sampled[1], policy.decode(1.0, 1));
    assert!(sampled.iter().any(|chunks| *chunks != policy.decode(0.0, 0)));
    assert!(sampled.iter().any(|chunks| *chunks != sampled[0]));
}
