use burn::tensor::Tensor;

use super::{assert_close, device, numbers, random};
use crate::ops::cached::{CachedAttentionOptions, KeysValues, cached_attention, cached_attention_unfused};
use crate::ops::causal::{CausalAttentionOptions, causal_self_attention};
use crate::ops::rope::{AnglePrecision, Pairs, RotaryTable};

/// Lengths in which rows are read, heads, channels of a head, tokens of the second row that do not count. Odd ones, blocks
/// of queries, padding that ends behind a cache, and a policy's own.
const READINGS: [(&[usize], usize, usize, u32); 6] = [
    (&[1], 1, 2, 0),
    (&[4, 5], 2, 6, 3),
    (&[4, 5], 2, 6, 6),
    (&[70, 14, 1, 65], 2, 24, 75),
    (&[3, 130], 3, 8, 80),
    (&[190, 14], 4, 64, 9),
];

type Attend = fn(Tensor<3>, Option<&KeysValues>, &CachedAttentionOptions) -> Tensor<3>;

fn rotary(positions: std::ops::Range<usize>, dim: usize) -> RotaryTable {
    RotaryTable::of(positions, dim, 1e4, AnglePrecision::Double, Pairs::Neighbours, &device())
}

/// Attention of all tokens, read in pieces.
fn in_pieces(x: &Tensor<3>, lengths: &[usize], heads: usize, padding: [u32; 2], attend: Attend) -> Tensor<3> {
    let dim = x.dims()[2] / (3 * heads);
    let (mut held, mut first) = (None::<KeysValues>, 0);
    let pieces = lengths.iter().map(|length| {
        let attention = CachedAttentionOptions {
            heads,
            rotary: rotary(first..first + length, dim),
            left_padding: (padding != [0, 0]).then(|| padding.to_vec()),
        };
        let piece = x.clone().narrow(1, first, *length);
        let attended = attend(piece.clone(), held.as_ref(), &attention);
        let read = KeysValues::new(piece, &attention);
        held = Some(held.take().map_or_else(|| read.clone(), |held| held.followed_by(read.clone())));
        first += length;
        attended
    });
    Tensor::cat(pieces.collect(), 1)
}

#[test]
fn what_is_read_in_pieces_is_what_is_read_as_a_whole() {
    for (lengths, heads, dim, unseen) in READINGS {
        for padding in [[0, 0], [0, unseen]] {
            let tokens: usize = lengths.iter().sum();
            let x = random([2, tokens, 3 * heads * dim]);
            // What sees nothing else sees itself: nothing that means nothing is compared.
            let first_seen = || padding.iter().flat_map(|first| (0..tokens as u32).map(|at| at.min(*first))).collect();
            let attention = CausalAttentionOptions {
                heads,
                rotary: rotary(0..tokens, dim),
                first_seen: Some(first_seen()),
                branches: None,
            };
            let whole = numbers(&causal_self_attention(x.clone(), &attention));
            let what = format!("{lengths:?} tokens, {heads} heads of {dim}, padding {padding:?}");
            let forms: [(&str, Tensor<3>, Attend); 3] = [
                ("in a graph", x.clone(), cached_attention),
                ("chain", x.clone().inner(), cached_attention_unfused),
                ("kernel", x.inner(), cached_attention),
            ];
            for (form, x, attend) in forms {
                let pieces = in_pieces(&x, lengths, heads, padding, attend);
                assert_close(&format!("{what}: {form}"), &numbers(&pieces), &whole);
            }
        }
    }
}

#[test]
#[should_panic(expected = "rows and heads of the cache")]
fn a_cache_of_other_rows_is_refused() {
    let attention = |positions| CachedAttentionOptions { heads: 2, rotary: rotary(positions, 4), left_padding: None };
    let held = KeysValues::new(random([3, 5, 24]).inner(), &attention(0..5));
    cached_attention(random([1, 2, 24]).inner(), Some(&held), &attention(5..7));
}
