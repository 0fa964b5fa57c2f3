//! Embeddings of places in a frame.
//!
//! Attention by rotary angles knows how far away a token stands, but what it gathers there does not say where that was: an
//! action that looks for a block finds that there is one. A model that read a million videos learns to tell places all the
//! same. The demo's small policy, from scratch, succeeds in half of its episodes where tokens carry their places with them,
//! and in a sixth where they do not (docs/results.md).

use std::f32::consts::PI;

use burn::tensor::{Tensor, TensorData};

use super::transformer::Transformer;

impl Transformer {
    /// The model with embeddings of places that are sines and cosines over the rows of a frame, in the first half of the
    /// channels, and over its columns, in the second: places near each other are alike from the first step on. The end of a frame has
    /// none. Does nothing to a model without such embeddings.
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

/// `[rows·columns, dim]`
fn sinusoids(rows: usize, columns: usize, dim: usize) -> Vec<f32> {
    let quarter = dim / 4;
    let along = |place: usize, count: usize| {
        // From a quarter of a wave from place to place to about as much over the whole frame.
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
    use crate::layout::Kind;
    use crate::model::tokens::Run;
    use crate::model::{KvCache, Tokens, TransformerConfig, Vocabularies};

    const T: Kind = Kind::Text;
    const V: Kind = Kind::Vision;
    const S: Kind = Kind::LatentState;

    fn model() -> Transformer {
        let config =
            TransformerConfig { dim: 16, layers: 2, heads: 2, feed_forward: 8, ..TransformerConfig::default() };
        let vocabularies = Vocabularies { text: 6, vision: 6, latent_action: 3, frame_positions: 7, frame_grid: None };
        let device = Device::flex();
        device.seed(7);
        config.init(&vocabularies, &device).unwrap().with_sinusoidal_frame_positions([2, 3])
    }

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn neighbours_are_alike_and_the_end_has_none() {
        let table = sinusoids(16, 16, 96);
        let distance = |a: usize, b: usize| -> f32 {
            let (a, b) = (&table[a * 96..][..96], &table[b * 96..][..96]);
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
        };
        assert!(distance(0, 1) < distance(0, 4) && distance(0, 4) < distance(0, 15));
        assert!((distance(0, 3) - distance(0, 48)).abs() < 1e-3, "rows count as columns do");
        let model = model();
        let table = model.frame_position_embedding.unwrap().val();
        assert_eq!(table.dims(), [7, 16]);
        assert!(table.narrow(0, 6, 1).into_data().iter::<f32>().all(|value| value == 0.0));
    }

    #[test]
    fn equal_tokens_at_other_places_are_embedded_otherwise() {
        let model = model();
        let kinds = [V; 14];
        let embedded = model.embed(Tokens::new(1, &[2; 14], &kinds), &[]).unwrap();
        let token = |at: usize| values(embedded.clone().narrow(1, at, 1));
        assert_ne!(token(0), token(1));
        assert_ne!(token(0), token(3), "rows differ");
        assert_eq!(token(1), token(8), "the next frame has the same places");
    }

    #[test]
    fn places_go_on_being_learned_where_they_are_seen() {
        let config =
            TransformerConfig { dim: 16, layers: 1, heads: 2, feed_forward: 8, ..TransformerConfig::default() };
        let vocabularies = Vocabularies { text: 6, vision: 6, latent_action: 3, frame_positions: 7, frame_grid: None };
        let model =
            config.init(&vocabularies, &Device::flex().autodiff()).unwrap().with_sinusoidal_frame_positions([2, 3]);
        let embedded = model.embed(Tokens::new(1, &[2, 3, 2], &[V, V, T]), &[]).unwrap();
        let gradients = embedded.sum().backward();
        let table = model.frame_position_embedding.unwrap().val();
        let gradient: Vec<f32> = table.grad(&gradients).unwrap().sum_dim(1).into_data().iter::<f32>().collect();
        assert_eq!(gradient, [16.0, 16.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn pieces_behind_a_cache_stand_where_the_whole_does(first in 1_usize..19, second in 1_usize..19) {
            let model = model();
            let kinds: Vec<Kind> = [vec![T; 2], vec![V; 7], vec![S; 7], vec![T; 3]].concat();
            let ids: Vec<u32> = (0..kinds.len()).map(|at| (at * 5 % 6) as u32).collect();
            let whole = values(model.forward(Tokens::new(1, &ids, &kinds), None).unwrap());
            let cuts = [0, first.min(second), first.max(second), ids.len()];
            let mut cache = KvCache::default();
            let mut pieces = Vec::new();
            for piece in cuts.windows(2).filter(|piece| piece[0] < piece[1]) {
                let (from, to) = (piece[0], piece[1]);
                let tokens = Tokens::new(1, &ids[from..to], &kinds[from..to]);
                let tokens = tokens.behind(Run::at_end(&kinds[..from]));
                pieces.extend(values(model.forward_cached(tokens, &mut cache).unwrap()));
            }
            prop_assert!(whole.iter().zip(&pieces).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}
