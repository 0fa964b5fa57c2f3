//! Embeddings of the places in a frame.
//!
//! Rotary angles let attention select tokens by their distance, but the values that it gathers do not say where they came from: an
//! action that looks for a block finds out that there is one, and not where. A model that is pretrained on a million videos
//! learns to tell places all the same. The demo's small policy, trained from scratch, succeeds in half of its episodes with
//! these embeddings, and in a sixth without (docs/results.md).

use std::f32::consts::PI;

use burn::tensor::{Tensor, TensorData};

use super::transformer::Transformer;

impl Transformer {
    /// The model with embeddings of places that start as sines and cosines, of a frame's rows in the first half of the channels
    /// and of its columns in the second, so that neighbouring places have similar embeddings. That of a frame's end starts as zero.
    /// Does nothing to a model without such embeddings.
    pub(crate) fn with_sinusoidal_frame_positions(mut self, [rows, columns]: [usize; 2]) -> Self {
        let dim = self.dim();
        self.frame_position_embedding = self.frame_position_embedding.map(|table| {
            table.map(|table| {
                let positions = table.dims()[0];
                let mut values = sinusoids(rows, columns, dim);
                values.resize(positions * dim, 0.0);
                let (requires_gradient, device) = (table.is_require_grad(), table.device());
                let table = Tensor::<2>::from_data(TensorData::new(values, [positions, dim]), &device);
                table.set_require_grad(requires_gradient)
            })
        });
        self
    }
}

/// Embeddings of the places of a frame, `[rows·columns, dim]`.
fn sinusoids(rows: usize, columns: usize, dim: usize) -> Vec<f32> {
    let quarter = dim / 4;
    let along = |place: usize, count: usize| {
        // The shortest wave turns by a quarter from place to place, the longest by about as much over the whole frame.
        let angle = move |wave: usize| {
            let turns = (count as f32).powf(-(wave as f32) / quarter as f32);
            PI / 2.0 * turns * place as f32
        };
        (0..quarter).map(move |wave| angle(wave).sin()).chain((0..quarter).map(move |wave| angle(wave).cos()))
    };
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let unused = dim - 4 * quarter;
    places
        .flat_map(|(row, column)| {
            along(row, rows).chain(along(column, columns)).chain(std::iter::repeat_n(0.0, unused)).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{small_transformer, small_vocabularies, transformer_config, values};
    use crate::layout::TokenKind;
    use crate::model::{KvCache, Tokens, Vocabularies};

    const T: TokenKind = TokenKind::Text;
    const V: TokenKind = TokenKind::Vision;
    const S: TokenKind = TokenKind::LatentState;

    /// A model of frames of 2×3 tokens.
    fn model(device: &Device) -> Transformer {
        let vocabularies = Vocabularies { frame_positions: 7, ..small_vocabularies() };
        small_transformer(&transformer_config(), &vocabularies, device).with_sinusoidal_frame_positions([2, 3])
    }

    #[test]
    fn neighbouring_places_are_similar_and_the_end_starts_at_zero() {
        let table = sinusoids(16, 16, 96);
        let distance = |a: usize, b: usize| -> f32 {
            let (a, b) = (&table[a * 96..][..96], &table[b * 96..][..96]);
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
        };
        assert!(distance(0, 1) < distance(0, 4) && distance(0, 4) < distance(0, 15));
        assert!((distance(0, 3) - distance(0, 48)).abs() < 1e-3, "rows count as columns do");
        let model = model(&Device::flex());
        let table = model.frame_position_embedding.unwrap().val();
        assert_eq!(table.dims(), [7, 16]);
        assert!(table.narrow(0, 6, 1).into_data().iter::<f32>().all(|value| value == 0.0));
    }

    #[test]
    fn equal_tokens_at_different_places_are_embedded_differently() {
        let model = model(&Device::flex());
        let kinds = [V; 14];
        let embedded = model.embed(Tokens::new(1, &[2; 14], &kinds), &[]).unwrap();
        let token = |at: usize| values(embedded.clone().narrow(1, at, 1));
        assert_ne!(token(0), token(1));
        assert_ne!(token(0), token(3), "rows differ");
        assert_eq!(token(1), token(8), "the next frame has the same places");
    }

    #[test]
    fn places_that_are_read_receive_gradients() {
        let model = model(&Device::flex().autodiff());
        let embedded = model.embed(Tokens::new(1, &[2, 3, 2], &[V, V, T]), &[]).unwrap();
        let gradients = embedded.sum().backward();
        let table = model.frame_position_embedding.unwrap().val();
        let gradient = values(table.grad(&gradients).unwrap().sum_dim(1));
        assert_eq!(gradient, [16.0, 16.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn pieces_behind_a_cache_match_the_whole(first in 1_usize..19, second in 1_usize..19) {
            let model = model(&Device::flex());
            let kinds: Vec<TokenKind> = [vec![T; 2], vec![V; 7], vec![S; 7], vec![T; 3]].concat();
            let ids: Vec<u32> = (0..kinds.len()).map(|at| (at * 5 % 6) as u32).collect();
            let whole = values(model.forward(Tokens::new(1, &ids, &kinds), None).unwrap());
            let cuts = [0, first.min(second), first.max(second), ids.len()];
            let mut cache = KvCache::default();
            let mut pieces = Vec::new();
            for piece in cuts.windows(2).filter(|piece| piece[0] < piece[1]) {
                let (from, to) = (piece[0], piece[1]);
                let tokens = Tokens::new(1, &ids[from..to], &kinds[from..to]);
                pieces.extend(values(model.forward_cached(tokens, &mut cache).unwrap()));
            }
            prop_assert!(whole.iter().zip(&pieces).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
