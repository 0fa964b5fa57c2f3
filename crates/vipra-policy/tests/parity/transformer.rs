//! Logits, losses, gradients and greedy decoding.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use vipra_nn::ops::{AnglePrecision, Pairs, RotaryTable};
use vipra_nn::weights::{Names, load};
use vipra_policy::layout::{Batch, Sample, TokenKind};
use vipra_policy::loss::{TokenWeights, cross_entropies};
use vipra_policy::model::{KvCache, Tokens, Transformer, TransformerConfig, Vocabularies, from_flax};

use crate::golden::{Golden, Tolerance, absolute, device, values};
use crate::layout::pretraining_samples;

const LOGITS: f32 = 5e-5;

fn model(golden: &Golden, device: &Device) -> Transformer {
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
    let model = config.init(&vocabularies, device).unwrap();
    load(model, &from_flax(&golden.weights()).unwrap(), &Names::default()).unwrap()
}

/// Positions `from..to` of each row, of `[rows, length, width]`.
fn cut(tensor: Tensor<3>, row: usize, from: usize, to: usize) -> Vec<f32> {
    values(tensor.narrow(0, row, 1).narrow(1, from, to - from))
}

/// Tokens of the golden up to the first action, whose embedding is another stage's.
#[test]
fn parity_of_logits_with_padding_and_segments() {
    let Some(golden) = Golden::open("policy_llama") else { return };
    let device = device();
    let model = model(&golden, &device);
    let of = |name: &str| golden.integers(&format!("mixed.in.{name}"));
    let ids: Vec<u32> = of("input_ids").into_iter().map(|id| id as u32).collect();
    let [rows, length] = golden.shape("mixed.in.input_ids")[..] else { panic!("two axes") };
    let masks = [
        ("vision", TokenKind::Vision),
        ("latent_action", TokenKind::LatentAction),
        ("latent_state", TokenKind::LatentState),
    ];
    let mut kinds = vec![TokenKind::Text; ids.len()];
    for (name, kind) in masks {
        for (at, mask) in of(&format!("{name}_masks")).into_iter().enumerate() {
            if mask == 1 {
                kinds[at] = kind;
            }
        }
    }
    let actions = of("action_masks");
    let end = (0..rows).filter_map(|row| actions[row * length..][..length].iter().position(|mask| *mask == 1));
    let end = end.min().unwrap();
    let rows_of = |all: &[u32]| all.chunks(length).flat_map(|row| row[..end].to_vec()).collect::<Vec<u32>>();
    let kinds: Vec<TokenKind> = kinds.chunks(length).flat_map(|row| row[..end].to_vec()).collect();
    let ids = rows_of(&ids);
    let tokens = Tokens::new(rows, &ids, &kinds);

    let pad: Vec<u32> =
        of("attention_mask_leftpad").chunks(length).map(|row| row.iter().filter(|m| **m == 0).count() as u32).collect();
    let padded: Vec<u32> = pad.iter().flat_map(|pad| vec![*pad; end]).collect();
    let segments = of("segment_ids");
    let begins = |at: usize| {
        let row = at / length * length;
        (row..).position(|other| segments[other] == segments[at]).unwrap() as u32
    };
    let segmented = rows_of(&(0..rows * length).map(begins).collect::<Vec<u32>>());

    for (case, first_seen) in [("mixed", None), ("mixed_leftpad", Some(padded)), ("mixed_segments", Some(segmented))] {
        let hidden = model.forward(tokens, first_seen).unwrap();
        if case == "mixed" {
            compare(&golden, "mixed.out.hidden", hidden.clone(), end, &[0; 2]);
        }
        let skip = if case == "mixed_leftpad" { pad.clone() } else { vec![0; rows] };
        for kind in [TokenKind::Vision, TokenKind::Text, TokenKind::LatentAction] {
            let name = format!("{case}.out.{}", kind.name());
            if golden.has(&name) {
                compare(&golden, &name, model.logits(kind, hidden.clone()).unwrap(), end, &skip);
            }
        }
    }

    // The same by a cache, in pieces, with and without padding.
    for first_seen in [None, Some(pad)] {
        let whole =
            model.forward(tokens, first_seen.clone().map(|pad| pad.iter().flat_map(|pad| vec![*pad; end]).collect()));
        let mut cache = KvCache::new(first_seen);
        let mut pieces = Vec::new();
        for (from, to) in [(0, 13), (13, 14), (14, end)] {
            let piece = |all: &[u32]| all.chunks(end).flat_map(|row| row[from..to].to_vec()).collect::<Vec<u32>>();
            let kinds: Vec<TokenKind> = kinds.chunks(end).flat_map(|row| row[from..to].to_vec()).collect();
            pieces.push(model.forward_cached(Tokens::new(rows, &piece(&ids), &kinds), &mut cache).unwrap());
        }
        assert_eq!(cache.len(), end);
        let (whole, cached) = (values(whole.unwrap()), values(Tensor::cat(pieces, 1)));
        let dim = whole.len() / (rows * end);
        // Padding is whatever it is.
        for at in (0..rows * end).filter(|at| at % end >= 7) {
            for (a, b) in whole[at * dim..][..dim].iter().zip(&cached[at * dim..]) {
                assert!((a - b).abs() < 1e-4, "{a} against {b} by the cache");
            }
        }
    }
}

/// Compares the first `end` positions of each row with the golden's, but for those that are skipped.
fn compare(golden: &Golden, name: &str, tensor: Tensor<3>, end: usize, skip: &[u32]) {
    let [_, length, width] = golden.shape(name)[..] else { panic!("three axes") };
    let expected = golden.floats(name);
    let mut worst = 0.0_f32;
    for (row, skip) in skip.iter().enumerate() {
        let found = cut(tensor.clone(), row, *skip as usize, end);
        for (found, expected) in found.iter().zip(&expected[(row * length + *skip as usize) * width..]) {
            worst = worst.max((found - expected).abs());
        }
    }
    println!("{name}: largest error {worst:.2e}");
    assert!(worst <= LOGITS, "{name}: off by {worst:.2e}");
}

/// Gradients by our names.
struct ByName<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    found: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl ModuleVisitor for ByName<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if let Some(gradient) = value.grad(self.gradients) {
            self.found.insert(self.path.join("."), (value.dims().to_vec(), values(gradient)));
        }
    }
}

/// Columns `from..` of a row-major matrix of `of` columns.
fn columns(matrix: &[f32], of: usize, from: usize, count: usize) -> Vec<f32> {
    matrix.chunks(of).flat_map(|row| row[from..from + count].to_vec()).collect()
}

#[test]
fn parity_of_losses_and_gradients() {
    let Some(golden) = Golden::open("policy_pretrain") else { return };
    let device = device().autodiff();
    let model = model(&golden, &device);
    let rows: Vec<Vec<Sample>> = pretraining_samples(&golden).into_iter().map(|sample| vec![sample]).collect();
    let batch = Batch::new(&rows, 1);
    let tokens = Tokens::new(batch.rows, &batch.ids, &batch.kinds);
    let hidden = model.forward(tokens, None).unwrap();
    let terms = cross_entropies(&batch, &hidden, |kind, rows| model.logits(kind, rows)).unwrap();
    let relative = Tolerance { relative: 1e-5, absolute: 0.0 };
    let weights = TokenWeights::default();
    let mut total: Option<Tensor<1>> = None;
    for (kind, term) in terms {
        golden.check(&format!("out.{}_loss", kind.name()), term.clone(), relative);
        let weighted = term * weights.of(kind);
        total = Some(total.map_or(weighted.clone(), |total| total + weighted));
    }
    let total = total.unwrap();
    golden.check("out.loss", total.clone(), relative);

    let gradients = total.backward();
    let mut visitor = ByName { gradients: &gradients, path: Vec::new(), found: BTreeMap::new() };
    model.visit(&mut visitor);
    let found = visitor.found;
    let dim = golden.number("hidden_size");
    let inner = golden.number("intermediate_size");
    let check = |name: &str, values: &[f32]| {
        let name = format!("grad.{name}");
        let largest = golden.floats(&name).iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        golden.check_values(&name, values, Tolerance { relative: 1e-3, absolute: 1e-5 + 1e-3 * largest });
    };
    for (ours, theirs) in [
        ("text_embedding", "transformer/wte/embedding"),
        ("vision_embedding", "transformer/vte/embedding"),
        ("latent_action_embedding", "transformer/late/embedding"),
        ("norm.weight", "transformer/ln_f/kernel"),
        ("text_head.weight", "lm_head/kernel"),
        ("vision_head.weight", "vision_head/kernel"),
        ("latent_action_head.weight", "latent_actions_head/kernel"),
    ] {
        check(theirs, &found[ours].1);
    }
    let layers = golden.number("num_hidden_layers");
    let of_layers = |ours: &str, take: &dyn Fn(&[f32]) -> Vec<f32>| -> Vec<f32> {
        (0..layers).flat_map(|layer| take(&found[&format!("layers.{layer}.{ours}")].1)).collect()
    };
    let prefix = "transformer/h/scan_decoder";
    for (index, name) in ["wq", "wk", "wv"].into_iter().enumerate() {
        let values = of_layers("query_key_value.weight", &|matrix| columns(matrix, 3 * dim, index * dim, dim));
        check(&format!("{prefix}/attention/{name}/kernel"), &values);
    }
    for (index, name) in ["w1", "w3"].into_iter().enumerate() {
        let values = of_layers("expand.weight", &|matrix| columns(matrix, 2 * inner, index * inner, inner));
        check(&format!("{prefix}/feed_forward/{name}/kernel"), &values);
    }
    for (ours, theirs) in [
        ("attention_out.weight", "attention/wo/kernel"),
        ("contract.weight", "feed_forward/w2/kernel"),
        ("attention_norm.weight", "attention_norm/kernel"),
        ("feed_forward_norm.weight", "ffn_norm/kernel"),
    ] {
        check(&format!("{prefix}/{theirs}"), &of_layers(ours, &<[f32]>::to_vec));
    }
    let squared: f64 = found.values().flat_map(|(_, values)| values).map(|x| f64::from(*x).powi(2)).sum();
    golden.check_values("out.grad_global_norm", &[squared.sqrt() as f32], Tolerance { relative: 1e-4, absolute: 0.0 });
}

#[test]
fn parity_of_greedy_decoding() {
    let Some(golden) = Golden::open("policy_pretrain") else { return };
    let model = model(&golden, &device());
    let prompt: Vec<u32> = golden.integers("greedy.in.prompt_ids").into_iter().map(|id| id as u32).collect();
    let kinds: Vec<TokenKind> = golden
        .integers("greedy.in.vision_masks")
        .into_iter()
        .map(|mask| if mask == 1 { TokenKind::Vision } else { TokenKind::Text })
        .collect();
    let mut cache = KvCache::new(None);
    let mut read = |tokens: Tokens<'_>| model.forward_cached_last(tokens, &[], &mut cache).unwrap();
    let mut last = read(Tokens::new(1, &prompt, &kinds));
    let expected = golden.integers("greedy.out.tokens");
    let logits = golden.floats("greedy.out.logits");
    let width = golden.shape("greedy.out.logits")[1];
    for (step, token) in expected.iter().enumerate() {
        let scores = values(model.logits(TokenKind::LatentState, last).unwrap());
        for (found, expected) in scores.iter().zip(&logits[step * width..]) {
            assert!((found - expected).abs() <= 1e-4, "step {step}: {found} in place of {expected}");
        }
        let best = (0..width).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        if step + 1 < expected.len() {
            assert_eq!(best as i64, *token, "step {step}");
        }
        let next = [*token as u32];
        last = read(Tokens::new(1, &next, &[TokenKind::LatentState]));
    }
}

#[test]
fn parity_of_rotary_tables() {
    let Some(golden) = Golden::open("rope_dtype") else { return };
    let device = device();
    let (dim, theta) = (golden.number("head_dim"), golden.number("theta") as f64);
    let positions: Vec<usize> = golden.integers("positions").into_iter().map(|position| position as usize).collect();
    for (case, precision, tolerance) in [("f32", AnglePrecision::Single, 2e-4), ("bf16", AnglePrecision::Brain, 0.008)]
    {
        let count = positions.iter().max().unwrap() + 1;
        let table = RotaryTable::of(0..count, dim, theta, precision, Pairs::Neighbours, &device);
        for (name, table) in [("cos", table.cos), ("sin", table.sin)] {
            let all = values(table);
            let chosen: Vec<f32> = positions.iter().flat_map(|at| all[at * dim / 2..][..dim / 2].to_vec()).collect();
            golden.check_values(&format!("{case}.{name}"), &chosen, absolute(tolerance));
        }
    }
}

/// With the reference's weights: those of a fresh model add nothing to what they read, so that nothing could leak.
#[test]
fn packed_samples_do_not_see_each_other() {
    let Some(golden) = Golden::open("policy_pretrain") else { return };
    let model = model(&golden, &device());
    let samples = pretraining_samples(&golden);
    let losses = |rows: &[Vec<Sample>]| -> Vec<f32> {
        let batch = Batch::new(rows, 1);
        let tokens = Tokens::new(batch.rows, &batch.ids, &batch.kinds);
        let hidden = model.forward(tokens, batch.first_seen.clone()).unwrap();
        cross_entropies(&batch, &hidden, |kind, rows| model.logits(kind, rows))
            .unwrap()
            .into_values()
            .flat_map(values)
            .collect()
    };
    let alone: Vec<Vec<Sample>> = samples.iter().map(|sample| vec![sample.clone()]).collect();
    let (alone, packed) = (losses(&alone), losses(&[samples[..3].to_vec(), samples[3..].to_vec()]));
    for (alone, packed) in alone.iter().zip(&packed) {
        assert!((alone - packed).abs() <= 1e-5 * alone.abs(), "{packed} in a row with others, {alone} alone");
    }
    // The same row read as one sample: if this were no different, the comparison above could not fail.
    let batch = Batch::new(&[samples[..3].to_vec()], 1);
    let tokens = Tokens::new(batch.rows, &batch.ids, &batch.kinds);
    let leaking = model.forward(tokens, None).unwrap();
    let leaking = cross_entropies(&batch, &leaking, |kind, rows| model.logits(kind, rows)).unwrap();
    let apart = model.forward(tokens, batch.first_seen.clone()).unwrap();
    let apart = cross_entropies(&batch, &apart, |kind, rows| model.logits(kind, rows)).unwrap();
    let difference = |kind: &TokenKind| (values(leaking[kind].clone())[0] - values(apart[kind].clone())[0]).abs();
    assert!(difference(&TokenKind::LatentAction) > 1e-3, "samples of a row that see each other lose alike");
}
