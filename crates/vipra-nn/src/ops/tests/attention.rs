use burn::tensor::{Bool, Tensor, TensorData};

use super::{Gradients, assert_close, compare, device, numbers, random};
use crate::ops::attention::{
    CosineAttentionOptions, cosine_self_attention, cosine_self_attention_unfused, dot_self_attention,
    dot_self_attention_unfused,
};
use crate::ops::cached::{CachedAttentionOptions, KeysValues, cached_attention};
use crate::ops::causal::{Branches, CausalAttentionOptions, causal_self_attention, causal_self_attention_unfused};
use crate::ops::rope::{AnglePrecision, Pairs, RotaryTable};

/// Sizes of an attention: batch, tokens, side, heads, channels of a head. Odd ones, and the model's own.
const SIZES: [[usize; 5]; 5] =
    [[1, 1, 1, 1, 2], [2, 5, 3, 2, 6], [2, 8, 9, 4, 32], [3, 65, 1, 2, 32], [1, 130, 2, 1, 40]];

/// Inputs: queries, keys beside values, both factors, bias.
type Inputs = (Tensor<4>, Tensor<4>, Tensor<1>, Tensor<1>, Tensor<3>);

fn inputs([batch, tokens, side, heads, dim]: [usize; 5]) -> Inputs {
    (
        random([batch, tokens, side, heads * dim]),
        random([batch, tokens, side, 2 * heads * dim]),
        random([dim]),
        random([dim]),
        random([heads, tokens, tokens]),
    )
}

#[test]
fn cosine_attention_equals_its_chain() {
    for sizes in SIZES {
        let (query, key_value, query_scale, key_scale, bias) = inputs(sizes);
        for (rotary, biased, causal) in
            [(false, true, false), (true, false, true), (true, false, false), (false, true, true)]
        {
            let options = || CosineAttentionOptions {
                scale: 8.0,
                rotary: rotary.then(|| RotaryTable::new(sizes[1], sizes[4], &device())),
                bias: biased.then(|| bias.clone()),
                key_mask: None,
                causal,
            };
            let form = |f: fn(Tensor<4>, Tensor<4>, Tensor<1>, Tensor<1>, CosineAttentionOptions) -> Tensor<4>| {
                f(query.clone(), key_value.clone(), query_scale.clone(), key_scale.clone(), options())
            };
            let (fused, chain) = (form(cosine_self_attention), form(cosine_self_attention_unfused));
            let what = format!("{sizes:?}, rotary {rotary}, bias {biased}, causal {causal}");
            if biased {
                compare!(what, [query, key_value, query_scale, key_scale, bias], fused, chain);
            } else {
                compare!(what, [query, key_value, query_scale, key_scale], fused, chain);
            }
        }
    }
}

#[test]
fn masked_keys_do_not_count() {
    let sizes = [2, 9, 3, 2, 6];
    let (query, key_value, query_scale, key_scale, bias) = inputs(sizes);
    // The first sequence's first key is masked too, so that its first query sees nothing where attention is causal.
    let mask: Vec<bool> = (0..2 * 9).map(|index| index % 4 != 0).collect();
    for causal in [false, true] {
        let options = || CosineAttentionOptions {
            scale: 8.0,
            rotary: None,
            bias: Some(bias.clone()),
            key_mask: Some(Tensor::<2, Bool>::from_data(TensorData::new(mask.clone(), [2, 9]), &device())),
            causal,
        };
        let form = |f: fn(Tensor<4>, Tensor<4>, Tensor<1>, Tensor<1>, CosineAttentionOptions) -> Tensor<4>| {
            f(query.clone(), key_value.clone(), query_scale.clone(), key_scale.clone(), options())
        };
        let fused = form(cosine_self_attention);
        if causal {
            // The chain has no gradient here: a row of shares without keys is no number in its derivative.
            let first = numbers(&fused.clone().narrow(0, 0, 1).narrow(1, 0, 1));
            assert!(first.iter().all(|x| *x == 0.0), "a query without keys yields zeros");
            let gradients = Gradients::of(&fused);
            for gradient in [gradients.by(&query), gradients.by(&key_value), gradients.by(&bias)] {
                assert!(gradient.iter().all(|x| x.is_finite()));
            }
        } else {
            let chain = form(cosine_self_attention_unfused);
            compare!("masked", [query, key_value, query_scale, key_scale, bias], fused, chain);
        }
    }
}

#[test]
fn vectors_of_length_zero_stay_zero() {
    let (query, key_value, query_scale, key_scale, bias) = inputs([1, 4, 1, 1, 8]);
    let query = Tensor::<4>::zeros(query.dims(), &device()).require_grad();
    let options =
        || CosineAttentionOptions { scale: 8.0, bias: Some(bias.clone()), ..CosineAttentionOptions::default() };
    let form = |f: fn(Tensor<4>, Tensor<4>, Tensor<1>, Tensor<1>, CosineAttentionOptions) -> Tensor<4>| {
        f(query.clone(), key_value.clone(), query_scale.clone(), key_scale.clone(), options())
    };
    let (fused, chain) = (form(cosine_self_attention), form(cosine_self_attention_unfused));
    compare!("zero queries", [query, key_value, query_scale, key_scale, bias], fused, chain);
}

#[test]
fn dot_attention_equals_its_chain() {
    for [batch, tokens, _, heads, dim] in SIZES {
        let x = random([batch, tokens, 3 * heads * dim]);
        compare!(
            format!("{tokens} tokens"),
            [x],
            dot_self_attention(x.clone(), heads),
            dot_self_attention_unfused(x.clone(), heads)
        );
    }
}

#[test]
fn causal_attention_equals_its_chain_with_and_without_packing() {
    for [batch, tokens, _, heads, dim] in SIZES {
        for (packed, pairs) in [(false, Pairs::Neighbours), (true, Pairs::Neighbours), (true, Pairs::Halves)] {
            let x = random([batch, tokens, 3 * heads * dim]);
            // Samples of seven tokens; in the second row they begin elsewhere.
            let first = |index: usize| {
                let (row, token) = (index / tokens, index % tokens);
                ((token + row) / 7 * 7).saturating_sub(row) as u32
            };
            let attention = CausalAttentionOptions {
                heads,
                rotary: RotaryTable::of(0..tokens, dim, 5e7, AnglePrecision::Single, pairs, &device()),
                first_seen: packed.then(|| (0..batch * tokens).map(first).collect()),
                branches: None,
            };
            compare!(
                format!("{tokens} tokens, packed {packed}, {pairs:?}"),
                [x],
                causal_self_attention(x.clone(), &attention),
                causal_self_attention_unfused(x.clone(), &attention)
            );
        }
    }
}

#[test]
fn branches_equal_their_chain_and_each_branch_alone() {
    let (batch, first, length, count, heads, dim) = (2, 70, 5, 3, 2, 6);
    let (tokens, inner) = (first + length * count, heads * dim);
    let branches = Branches { first, length };
    let attention = |tokens: usize, branches: Option<Branches>| {
        let positions: Vec<usize> = branches.map_or((0..tokens).collect(), |b| b.positions(tokens).collect());
        let padding = [0_u32, 3];
        CausalAttentionOptions {
            heads,
            rotary: RotaryTable::of(positions, dim, 1e4, AnglePrecision::Double, Pairs::Neighbours, &device()),
            // What sees nothing else sees itself: nothing that means nothing is compared.
            first_seen: Some(padding.iter().flat_map(|first| (0..tokens as u32).map(|at| at.min(*first))).collect()),
            branches,
        }
    };
    let x = random([batch, tokens, 3 * inner]);
    let together = attention(tokens, Some(branches));
    compare!(
        "branches".to_owned(),
        [x],
        causal_self_attention(x.clone(), &together),
        causal_self_attention_unfused(x.clone(), &together)
    );
    let whole = causal_self_attention(x.clone(), &together);
    for branch in 0..count {
        let own = x.clone().narrow(1, first + branch * length, length);
        let alone = Tensor::cat(vec![x.clone().narrow(1, 0, first), own], 1);
        let alone = causal_self_attention(alone, &attention(first + length, None)).narrow(1, first, length);
        let found = whole.clone().narrow(1, first + branch * length, length);
        assert_close("a branch", &numbers(&found), &numbers(&alone));
    }
}

/// Rows whose tokens stand at other positions than those of the row before.
#[test]
fn rows_can_have_angles_of_their_own() {
    let (batch, tokens, heads, dim) = (3, 9, 2, 6);
    let table = |rows: std::ops::Range<usize>| {
        let positions = rows.clone().flat_map(|row| (0..tokens).map(move |token| 2 * token + row * row));
        RotaryTable::of_rows(rows.len(), positions, dim, 1e4, AnglePrecision::Brain, Pairs::Neighbours, &device())
    };
    let attention = |rows| CausalAttentionOptions { heads, rotary: table(rows), first_seen: None, branches: None };
    let x = random([batch, tokens, 3 * heads * dim]);
    let fused = causal_self_attention(x.clone(), &attention(0..batch));
    compare!("of rows", [x], fused.clone(), causal_self_attention_unfused(x.clone(), &attention(0..batch)));
    for row in 0..batch {
        let alone = causal_self_attention(x.clone().narrow(0, row, 1), &attention(row..row + 1));
        assert_close("a row alone", &numbers(&fused.clone().narrow(0, row, 1)), &numbers(&alone));
    }
    let cached = CachedAttentionOptions { heads, rotary: table(0..batch), left_padding: None };
    let x = x.inner();
    let read = KeysValues::new(x.clone(), &cached);
    assert_close("a cache's attention", &numbers(&cached_attention(x.clone(), None, &cached)), &numbers(&fused));
    for row in 0..batch {
        let cached = CachedAttentionOptions { rotary: table(row..row + 1), ..cached.clone() };
        let alone = KeysValues::new(x.clone().narrow(0, row, 1), &cached);
        assert_close("a row's keys", &numbers(&read.keys.clone().narrow(0, row, 1)), &numbers(&alone.keys));
    }
}
