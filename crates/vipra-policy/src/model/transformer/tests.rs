use std::iter::repeat_n;

use burn::tensor::{Device, Tensor};
use vipra_nn::ops::Branches;

use super::Transformer;
use crate::fixtures::{small_transformer, small_vocabularies, transformer_config};
use crate::layout::TokenKind;
use crate::model::{KvCache, RotaryPrecision, Tokens, TransformerConfig};

/// Tokens of the sample that is read.
const LENGTH: usize = 12;
/// Tokens before it: bfloat16 tells whole positions apart up to 256 only.
const BEFORE: usize = 300;

/// A model with the angles of released weights.
fn model() -> Transformer {
    let config = TransformerConfig { rotary_precision: RotaryPrecision::Bfloat16, ..transformer_config() };
    small_transformer(&config, &small_vocabularies(), &Device::flex())
}

fn ids(count: usize) -> Vec<u32> {
    (0..count).map(|at| (at * at * 5 % 9) as u32).collect()
}

/// Embedded tokens of one row.
fn embedded(model: &Transformer, ids: &[u32]) -> Tensor<3> {
    model.embed(Tokens::new(1, ids, &vec![TokenKind::Text; ids.len()]), &[]).unwrap()
}

/// A row of another sample's tokens, then the sample's; and where each token's sample begins.
fn behind_others(sample: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let first_seen = repeat_n(0, BEFORE).chain(repeat_n(BEFORE as u32, sample.len()));
    ([&ids(BEFORE)[..], sample].concat(), first_seen.collect())
}

fn assert_close(found: Tensor<3>, expected: &Tensor<3>) {
    assert_eq!(found.dims(), expected.dims());
    let largest = (found - expected.clone()).abs().max().into_scalar::<f32>();
    assert!(largest < 1e-4, "{largest}");
}

#[test]
fn a_packed_sample_matches_the_sample_alone() {
    let (model, sample) = (model(), ids(LENGTH));
    let alone = model.forward_embedded(embedded(&model, &sample), None);
    let (row, first_seen) = behind_others(&sample);
    let behind = model.forward_embedded(embedded(&model, &row), Some(first_seen)).narrow(1, BEFORE, LENGTH);
    assert_close(behind, &alone);
}

#[test]
fn a_cached_sample_behind_padding_matches_the_sample_alone() {
    let (model, sample) = (model(), ids(LENGTH));
    let alone = model.forward_embedded(embedded(&model, &sample), None);
    let mut cache = KvCache::new(Some(vec![BEFORE as u32]));
    let row = [vec![0; BEFORE], sample].concat();
    let (first, second) = row.split_at(BEFORE + LENGTH / 2);
    let read = [first, second].map(|part| {
        let kinds = vec![TokenKind::Text; part.len()];
        model.forward_cached(Tokens::new(1, part, &kinds), &mut cache).unwrap()
    });
    assert_close(Tensor::cat(read.to_vec(), 1).narrow(1, BEFORE, LENGTH), &alone);
}

#[test]
fn branches_behind_padding_match_those_without() {
    let (model, sample) = (model(), ids(LENGTH));
    let branches = |first| Branches { first, length: LENGTH / 4 };
    let alone = model.forward_branches(embedded(&model, &sample), None, branches(LENGTH / 2));
    let row = [vec![0; BEFORE], sample].concat();
    let first_seen = vec![BEFORE as u32; row.len()];
    let padded = model.forward_branches(embedded(&model, &row), Some(first_seen), branches(BEFORE + LENGTH / 2));
    assert_close(padded.narrow(1, BEFORE, LENGTH), &alone);
}
