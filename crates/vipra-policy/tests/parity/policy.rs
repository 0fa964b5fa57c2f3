//! Velocities, losses, gradients and chunks of policies.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use vipra_nn::weights::{Names, Weights, load, save};
use vipra_policy::flow_matching::{FlowMatchingConfig, SolverConfig, SolverMethod, flow_loss};
use vipra_policy::layout::{Batch, Targets, TokenKind};
use vipra_policy::loss::cross_entropies;
use vipra_policy::model::{
    ActionDecoder, ActionSizes, ContinuousInputs, KvCache, NewParameters, PolicyModel, Tokens, TransformerConfig,
    Vocabularies, policy_from_flax, time_embedding,
};
use vipra_policy::policy::{flow_chunks, flow_chunks_naively};

use crate::golden::{Golden, Tolerance, absolute, device, gradients, values};

const LOGITS: f32 = 1e-4;

/// A policy with golden weights, those whose names begin with `prefix`.
fn policy(golden: &Golden, prefix: &str, sizes: ActionSizes, device: &Device) -> PolicyModel {
    let number = |name: &str| golden.number(name);
    let config = TransformerConfig {
        dim: number("hidden_size"),
        layers: number("num_hidden_layers"),
        heads: number("num_attention_heads"),
        feed_forward: number("intermediate_size"),
        rotary_theta: number("theta") as f64,
        ..TransformerConfig::default()
    };
    let vocabularies = Vocabularies {
        text: number("vocab_size"),
        vision: number("vision_vocab_size"),
        latent_action: number("latent_action_vocab_size"),
        frame_positions: 0,
        frame_grid: None,
    };
    let transformer = config.init(&vocabularies, device).unwrap();
    let model = sizes.init(transformer, &NewParameters::default(), device);
    let weights = under(&golden.weights(), prefix);
    load(model, &policy_from_flax(&weights).unwrap(), &Names::default()).unwrap()
}

fn under(weights: &Weights, prefix: &str) -> Weights {
    let mut chosen = Weights::new("golden weights");
    for name in weights.names().filter(|name| name.starts_with(prefix)) {
        let (shape, values) = weights.floats(name).unwrap();
        chosen.insert(&name[prefix.len()..], shape.to_vec(), values.to_vec());
    }
    chosen
}

fn flowing(golden: &Golden, proprio: Option<usize>) -> ActionSizes {
    ActionSizes { decoder: ActionDecoder::FlowMatching, action: golden.number("action_dims"), proprio, bins: 0 }
}

/// Tokens by ids and masks, `PREFIX` + `input_ids` or `input_tokens`.
struct Read {
    rows: usize,
    length: usize,
    ids: Vec<u32>,
    kinds: Vec<TokenKind>,
}

impl Read {
    fn new(golden: &Golden, ids: &str, masks: &[(&str, TokenKind)]) -> Self {
        let [rows, length] = golden.shape(ids)[..] else { panic!("two axes") };
        let mut kinds = vec![TokenKind::Text; rows * length];
        for (name, kind) in masks {
            for (at, mask) in golden.integers(name).into_iter().enumerate() {
                if mask == 1 {
                    kinds[at] = *kind;
                }
            }
        }
        Self { rows, length, ids: golden.integers(ids).into_iter().map(|id| id as u32).collect(), kinds }
    }

    fn of(golden: &Golden, prefix: &str, has_proprio: bool) -> Self {
        let mut masks = vec![
            (format!("{prefix}vision_masks"), TokenKind::Vision),
            (format!("{prefix}latent_action_masks"), TokenKind::LatentAction),
            (format!("{prefix}latent_state_masks"), TokenKind::LatentState),
            (format!("{prefix}action_masks"), TokenKind::Action),
        ];
        if has_proprio {
            masks.push((format!("{prefix}proprio_masks"), TokenKind::Proprio));
        }
        let masks: Vec<(&str, TokenKind)> = masks.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        Self::new(golden, &format!("{prefix}input_ids"), &masks)
    }

    fn tokens(&self) -> Tokens<'_> {
        Tokens::new(self.rows, &self.ids, &self.kinds)
    }

    fn places(&self, kind: TokenKind) -> Vec<usize> {
        (0..self.ids.len()).filter(|at| self.kinds[*at] == kind).collect()
    }

    /// Numbers of a golden `[rows, length, width]` at the tokens of a kind, as `[rows, tokens of a row, width]`.
    fn numbers(&self, golden: &Golden, name: &str, kind: TokenKind, device: &Device) -> Tensor<3> {
        let width = golden.shape(name)[2];
        let all = golden.floats(name);
        let places = self.places(kind);
        let chosen: Vec<f32> = places.iter().flat_map(|at| all[at * width..][..width].to_vec()).collect();
        let shape = [self.rows, places.len() / self.rows, width];
        Tensor::from_data(burn::tensor::TensorData::new(chosen, shape), device)
    }
}

/// Compares `found`, `[rows·length, width]`, with a golden at some places.
fn compare_at(golden: &Golden, name: &str, found: &[f32], places: &[usize]) {
    let width = *golden.shape(name).last().unwrap();
    let expected = golden.floats(name);
    let mut worst = 0.0_f32;
    for at in places {
        for (a, b) in found[at * width..][..width].iter().zip(&expected[at * width..]) {
            worst = worst.max((a - b).abs());
        }
    }
    println!("{name}: largest error {worst:.2e} at {} tokens", places.len());
    assert!(!places.is_empty() && worst <= LOGITS, "{name}: off by {worst:.2e}");
}

#[test]
fn parity_of_time_embeddings() {
    let Some(golden) = Golden::open("policy_llama") else { return };
    let found = time_embedding(&golden.floats("time_emb.in.t"), golden.number("hidden_size") / 2, &device());
    golden.check("time_emb.out", found, absolute(1e-5));
    let times = FlowMatchingConfig::default();
    for (sample, expected) in golden.floats("fm_time.in.beta_sample").iter().zip(golden.floats("fm_time.out.t")) {
        let found = (1.0 - times.sigma_min as f32) * (1.0 - sample);
        assert!((found - expected).abs() < 1e-6, "{found} against {expected}");
    }
}

#[test]
fn parity_of_velocities_with_padding_and_segments() {
    let Some(golden) = Golden::open("policy_llama") else { return };
    let device = device();
    let model = policy(&golden, "", flowing(&golden, None), &device);
    let read = Read::of(&golden, "mixed.in.", false);
    let (length, times) = (read.length, golden.floats("mixed.in.time"));
    let actions = read.numbers(&golden, "mixed.in.actions", TokenKind::Action, &device);
    let numbers = ContinuousInputs { proprio: None, actions: Some((actions, &times)) };
    let pad = golden.integers("mixed.in.attention_mask_leftpad");
    let pads: Vec<u32> = pad.chunks(length).map(|row| row.iter().filter(|seen| **seen == 0).count() as u32).collect();
    let padded: Vec<u32> = pads.iter().flat_map(|pad| vec![*pad; length]).collect();
    let segments = golden.integers("mixed.in.segment_ids");
    let begins = |at: usize| {
        let row = at / length * length;
        (row..).position(|other| segments[other] == segments[at]).unwrap() as u32
    };
    let segmented: Vec<u32> = (0..read.ids.len()).map(begins).collect();
    for (case, first_seen) in [("mixed", None), ("mixed_leftpad", Some(padded)), ("mixed_segments", Some(segmented))] {
        let embedded = model.embed(read.tokens(), &numbers).unwrap();
        let hidden = model.transformer.forward_embedded(embedded, first_seen);
        let velocity = values(model.flow().unwrap().velocity(hidden.clone()));
        compare_at(&golden, &format!("{case}.out.action"), &velocity, &read.places(TokenKind::Action));
        let text = values(model.logits(TokenKind::Text, hidden).unwrap());
        compare_at(&golden, &format!("{case}.out.text"), &text, &read.places(TokenKind::Action));
    }
}

/// Targets of a kind where both masks say so.
fn targets(golden: &Golden, loss_mask: &str, kind_mask: &str, ids: &str, rows: usize) -> Targets {
    let (mask, kinds, ids) = (golden.floats(loss_mask), golden.integers(kind_mask), golden.integers(ids));
    let length = ids.len() / rows;
    let is_target = |at: &usize| mask[*at] > 0.0 && kinds[*at] == 1;
    let positions: Vec<usize> = (0..ids.len()).filter(is_target).collect();
    let in_row = |at: usize| positions.iter().filter(|other| *other / length == at / length).count();
    Targets {
        ids: positions.iter().map(|at| ids[*at] as u32).collect(),
        weights: positions.iter().map(|at| 1.0 / (in_row(*at) * rows) as f32).collect(),
        positions: positions.into_iter().map(|at| at as u32).collect(),
    }
}

fn batch(read: &Read, targets: BTreeMap<TokenKind, Targets>) -> Batch {
    Batch {
        rows: read.rows,
        length: read.length,
        ids: read.ids.clone(),
        kinds: read.kinds.clone(),
        unmerged_frame_tokens: Vec::new(),
        first_seen: None,
        targets,
        samples: read.rows,
        padding: 0,
    }
}

#[test]
fn parity_of_the_flow_loss_and_its_gradients() {
    let Some(golden) = Golden::open("policy_llama") else { return };
    let device = device().autodiff();
    let model = policy(&golden, "", flowing(&golden, None), &device);
    let masks = [
        ("train.batch.input_vision_masks", TokenKind::Vision),
        ("train.batch.input_latent_action_masks", TokenKind::LatentAction),
        ("train.batch.input_latent_state_masks", TokenKind::LatentState),
        ("train.batch.action_masks", TokenKind::Action),
    ];
    let read = Read::new(&golden, "train.batch.input_tokens", &masks);
    let plain = device.clone().without_autodiff();
    let at_actions = |name: &str| read.numbers(&golden, name, TokenKind::Action, &plain);
    let times = golden.floats("train.in.time");
    let (between, target) = FlowMatchingConfig::default().interpolate(
        at_actions("train.in.noise"),
        at_actions("train.batch.actions"),
        &times,
    );
    for (name, found) in [("noisy_actions", &between), ("target_velocity", &target)] {
        let expected = values(at_actions(&format!("train.out.{name}")));
        let worst = values(found.clone()).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
        assert!(worst < 1e-5, "{name}: off by {worst}");
    }
    let [rows, horizon, _] = target.dims();
    let embedded =
        model.embed(read.tokens(), &ContinuousInputs { proprio: None, actions: Some((between, &times)) }).unwrap();
    let hidden = model.transformer.forward_embedded(embedded, None);
    let dim = hidden.dims()[2];
    let places: Vec<i64> = read.places(TokenKind::Action).into_iter().map(|at| at as i64).collect();
    let count = places.len();
    let places = Tensor::from_data(burn::tensor::TensorData::new(places, [count]), &plain);
    let chosen = hidden.clone().reshape([read.ids.len(), dim]).select(0, places).reshape([rows, horizon, dim]);
    let flow = flow_loss(model.flow().unwrap().velocity(chosen), target, &vec![1.0; rows * horizon]);
    let relative = Tolerance { relative: 1e-5, absolute: 0.0 };
    golden.check("train.out.action_loss", flow.clone(), relative);

    let state = targets(
        &golden,
        "train.batch.loss_masks",
        "train.batch.target_latent_state_masks",
        "train.batch.target_tokens",
        rows,
    );
    let batch = batch(&read, BTreeMap::from([(TokenKind::LatentState, state)]));
    let terms = cross_entropies(&batch, &hidden, |kind, rows| model.logits(kind, rows)).unwrap();
    golden.check("train.out.latent_state_loss", terms[&TokenKind::LatentState].clone(), relative);
    let total = flow + terms[&TokenKind::LatentState].clone();
    golden.check("train.out.loss", total.clone(), relative);

    let found = gradients(&model, &total.backward(), &Names::default());
    let mut theirs = Weights::new("golden gradients");
    for name in golden.names().iter().filter_map(|name| name.strip_prefix("train.grad.")) {
        theirs.insert(name, golden.shape(&format!("train.grad.{name}")), golden.floats(&format!("train.grad.{name}")));
    }
    let expected = policy_from_flax(&theirs).unwrap();
    for name in save(&model, &Names::default()).unwrap().names() {
        let (_, expected) = expected.floats(name).unwrap();
        let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let zeros = vec![0.0; expected.len()];
        let found = found.get(name).unwrap_or(&zeros);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-5 + 1e-3 * largest, "gradient of {name}: {a} against {b}");
        }
    }
}

#[test]
fn parity_of_chunks_with_and_without_a_cache() {
    let Some(golden) = Golden::open("policy_llama") else { return };
    let device = device();
    let model = policy(&golden, "", flowing(&golden, None), &device);
    let masks = [
        ("gen.in.vision_masks", TokenKind::Vision),
        ("gen.in.latent_action_masks", TokenKind::LatentAction),
        ("gen.in.latent_state_masks", TokenKind::LatentState),
    ];
    let read = Read::new(&golden, "gen.in.condition_input_ids", &masks);
    let noise: Tensor<3> = golden.tensor("gen.in.noise", &device);
    let horizon = noise.dims()[1];
    let condition = model.embed(read.tokens(), &ContinuousInputs::default()).unwrap();
    let euler = SolverConfig { steps: golden.shape("gen.nopad.trajectory_v")[0], ..SolverConfig::default() };
    let heun = SolverConfig { method: SolverMethod::Heun, ..euler };
    for case in ["nopad", "leftpad"] {
        let mask = golden.integers(&format!("gen.{case}.in.attention_mask"));
        let pads: Vec<u32> =
            mask.chunks(read.length).map(|row| row.iter().filter(|seen| **seen == 0).count() as u32).collect();
        let is_padded = pads.iter().any(|pad| *pad > 0);
        assert_eq!(is_padded, case == "leftpad");
        let per_token: Vec<u32> = pads.iter().flat_map(|pad| vec![*pad; read.length + horizon]).collect();
        let per_token = is_padded.then_some(&per_token[..]);
        let naively = |solver| flow_chunks_naively(&model, &condition, per_token, noise.clone(), solver).unwrap();
        golden.check(&format!("gen.{case}.out.naive"), naively(euler), absolute(1e-4));
        golden.check(&format!("gen.{case}.out.naive_rk2"), naively(heun), absolute(1e-4));

        let mut cache = KvCache::new(is_padded.then_some(pads));
        model.transformer.forward_cached_last(read.tokens(), &[], &mut cache).unwrap();
        for (name, solver) in [("kv_cache", euler), ("naive_rk2", heun)] {
            let chunks = flow_chunks(&model, &cache, 1, noise.clone(), solver).unwrap();
            golden.check(&format!("gen.{case}.out.{name}"), chunks, absolute(1e-4));
        }
        assert_eq!(cache.len(), read.length, "looking behind the condition must not lengthen it");
    }
}

#[test]
fn parity_of_velocities_with_proprioception() {
    let Some(golden) = Golden::open("policy_variants") else { return };
    let device = device();
    let model = policy(&golden, "proprio:", flowing(&golden, Some(golden.number("proprio_dims"))), &device);
    let read = Read::of(&golden, "proprio.in.", true);
    let times = golden.floats("proprio.in.time");
    let states = read.numbers(&golden, "proprio.in.proprio", TokenKind::Proprio, &device);
    let actions = read.numbers(&golden, "proprio.in.actions", TokenKind::Action, &device);
    let numbers = ContinuousInputs { proprio: Some(states), actions: Some((actions, &times)) };
    let hidden = model.transformer.forward_embedded(model.embed(read.tokens(), &numbers).unwrap(), None);
    let velocity = values(model.flow().unwrap().velocity(hidden.clone()));
    compare_at(&golden, "proprio.out.action", &velocity, &read.places(TokenKind::Action));
    let all: Vec<usize> = (0..read.ids.len()).collect();
    for kind in [TokenKind::Vision, TokenKind::Text, TokenKind::LatentAction] {
        let logits = values(model.logits(kind, hidden.clone()).unwrap());
        compare_at(&golden, &format!("proprio.out.{}", kind.name()), &logits, &all);
    }
}

#[test]
fn parity_of_binned_actions() {
    let Some(golden) = Golden::open("policy_variants") else { return };
    let device = device();
    let sizes = ActionSizes {
        decoder: ActionDecoder::Autoregressive,
        action: golden.number("action_dims"),
        proprio: None,
        bins: golden.number("action_vocab_size_quant"),
    };
    let model = policy(&golden, "quant:", sizes, &device);
    let read = Read::of(&golden, "quant.in.", false);
    let embedded = model.embed(read.tokens(), &ContinuousInputs::default()).unwrap();
    let hidden = model.transformer.forward_embedded(embedded, None);
    let all: Vec<usize> = (0..read.ids.len()).collect();
    for kind in [TokenKind::Vision, TokenKind::Text, TokenKind::LatentAction, TokenKind::Action] {
        let logits = values(model.logits(kind, hidden.clone()).unwrap());
        compare_at(&golden, &format!("quant.out.{}", kind.name()), &logits, &all);
    }
    let kinds = [("latent_state", TokenKind::LatentState), ("action", TokenKind::Action)];
    let targets = kinds.map(|(name, kind)| {
        let mask = format!("quant.loss.target_{name}_masks");
        (kind, targets(&golden, "quant.loss.loss_masks", &mask, "quant.loss.target_tokens", read.rows))
    });
    let batch = batch(&read, BTreeMap::from(targets));
    let terms = cross_entropies(&batch, &hidden, |kind, rows| model.logits(kind, rows)).unwrap();
    let relative = Tolerance { relative: 1e-4, absolute: 0.0 };
    let total = terms.values().cloned().reduce(|sum, term| sum + term).unwrap();
    for (name, kind) in kinds {
        golden.check(&format!("quant.loss.{name}"), terms[&kind].clone(), relative);
    }
    golden.check("quant.loss.total", total, relative);
}
