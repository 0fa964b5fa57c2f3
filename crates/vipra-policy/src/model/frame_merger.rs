//! Merges patches of an observed frame's tokens.
//!
//! Small objects span several tokens; merging each patch into one token lets attention find them from few demonstrations
//! (docs/results.md). A model that was pretrained on a million videos needs no merging. The frame ahead, which is predicted, is
//! always read token by token.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use vipra_nn::ops;

use super::config::TransformerConfig;
use super::embedding::indices;
use crate::{Error, Result};

/// Tokens that a 3×3 convolution sees: a token and its neighbours, row by row.
const TAPS: usize = 9;

/// A 3×3 convolution over the embedded tokens of a frame, then a linear layer over each patch of `side × side` tokens, added to
/// the patch's mean. No biases; the convolution is padded with zeros.
#[derive(Module, Debug)]
pub struct FrameMerger {
    /// `9·dim → dim`
    pub gather: Linear,
    /// `side²·dim → dim`
    pub merge: Linear,
    /// Rows and columns of a frame's tokens.
    #[module(skip)]
    grid: [usize; 2],
    /// Side of a patch.
    #[module(skip)]
    side: usize,
}

impl FrameMerger {
    /// A merger with random weights, scaled by the layers' inputs.
    ///
    /// # Errors
    /// [`Error::Invalid`] if frames do not divide into patches.
    pub(super) fn new(config: &TransformerConfig, grid: [usize; 2], device: &Device) -> Result<Self> {
        let (dim, side) = (config.dim, config.merged_side);
        if let Some(reason) = config.merging_fault(grid) {
            return Err(Error::Invalid(reason));
        }
        let linear = |inputs: usize| {
            let initializer = Initializer::Normal { mean: 0.0, std: 1.0 / (inputs as f64).sqrt() };
            LinearConfig::new(inputs, dim).with_bias(false).with_initializer(initializer).init(device)
        };
        Ok(Self { gather: linear(TAPS * dim), merge: linear(side * side * dim), grid, side })
    }

    /// Tokens of a frame.
    pub(super) fn tokens_per_frame(&self) -> usize {
        self.grid.iter().product()
    }

    /// Tokens that become one.
    pub(super) fn tokens_per_patch(&self) -> usize {
        self.side * self.side
    }

    /// # Shapes
    /// `x`: `[frames·rows·columns, dim]` → `[frames·rows·columns/side², dim]`
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (device, [tokens, dim]) = (x.device(), x.dims());
        let (frames, patches) = (tokens / self.tokens_per_frame(), tokens / self.tokens_per_patch());
        let padded = Tensor::cat(vec![Tensor::zeros([1, dim], &device), x.clone()], 0);
        // [1 + tokens, dim] -> [tokens·9, dim] -> [tokens, 9·dim]
        let around = padded.select(0, indices(&self.neighbours(frames), &device)).reshape([tokens, TAPS * dim]);
        // [tokens, 9·dim] -> [tokens, dim]
        let gathered = ops::gelu(ops::linear(&self.gather, around));
        // [tokens, dim], patch by patch
        let by_patch = indices(&self.patches(frames), &device);
        let in_patches = |x: Tensor<2>| x.select(0, by_patch.clone());
        // [patches, side², dim] -> [patches, dim]
        let mean = in_patches(x).reshape([patches, self.tokens_per_patch(), dim]).mean_dim(1).reshape([patches, dim]);
        // [patches, side²·dim] -> [patches, dim]
        mean + ops::linear(&self.merge, in_patches(gathered).reshape([patches, self.tokens_per_patch() * dim]))
    }

    /// Of each token, row by row, the tokens around it, counted from 1; 0 outside of its frame. `[tokens·9]`
    fn neighbours(&self, frames: usize) -> Vec<u32> {
        let [rows, columns] = self.grid;
        let mut neighbours = Vec::with_capacity(frames * rows * columns * TAPS);
        for frame in 0..frames {
            for (row, column) in cells([rows, columns]) {
                for (down, right) in cells([3, 3]) {
                    let (y, x) = (row + down, column + right);
                    let is_inside = (1..=rows).contains(&y) && (1..=columns).contains(&x);
                    let at = || (frame * rows + y - 1) * columns + x;
                    neighbours.push(if is_inside { at() as u32 } else { 0 });
                }
            }
        }
        neighbours
    }

    /// The tokens, patch by patch. `[tokens]`
    fn patches(&self, frames: usize) -> Vec<u32> {
        let ([rows, columns], side) = (self.grid, self.side);
        let patches = cells([frames * rows / side, columns / side]);
        let tokens = patches.flat_map(|(row, column)| {
            cells([side, side]).map(move |(down, right)| (row * side + down) * columns + column * side + right)
        });
        tokens.map(|token| token as u32).collect()
    }
}

/// Rows and columns of a grid's cells, row by row.
fn cells([rows, columns]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{small_transformer, small_vocabularies, transformer_config, values};
    use crate::layout::TokenKind;
    use crate::model::shake::normal;
    use crate::model::{KvCache, Tokens, Transformer, Vocabularies};

    const GRID: [usize; 2] = [4, 6];
    const TOKENS: usize = 24;
    /// Tokens of an observed frame, its end among them.
    const OBSERVED: usize = 7;
    const DIM: usize = 8;

    fn model(device: &Device) -> Transformer {
        let config = TransformerConfig { dim: DIM, layers: 1, merged_side: 2, ..transformer_config() };
        let vocabularies = Vocabularies { frame_positions: TOKENS + 1, frame_grid: Some(GRID), ..small_vocabularies() };
        small_transformer(&config, &vocabularies, device).with_sinusoidal_frame_positions(GRID)
    }

    /// Some words, two observed frames, and the frame ahead.
    fn kinds() -> Vec<TokenKind> {
        let ahead = vec![TokenKind::LatentState; TOKENS + 1];
        [vec![TokenKind::Text; 2], vec![TokenKind::Vision; 2 * OBSERVED], ahead].concat()
    }

    fn ids(count: usize) -> Vec<u32> {
        (0..count).map(|at| (at * at % 6) as u32).collect()
    }

    /// Tokens of both observed frames.
    fn unmerged() -> Vec<u16> {
        (0..2 * TOKENS).map(|at| (at * 7 % 5) as u16).collect()
    }

    fn embedded(model: &Transformer, unmerged: &[u16]) -> Vec<Vec<f32>> {
        let kinds = kinds();
        let embedded = model.embed(Tokens::new(1, &ids(kinds.len()), &kinds).with_unmerged(unmerged), &[]).unwrap();
        values(embedded).chunks(DIM).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn merging_is_a_convolution_of_each_frame_and_one_over_patches() {
        let device = Device::flex();
        let merger = model(&device).frame_merger.unwrap();
        let [rows, columns] = GRID;
        let x = normal([2 * TOKENS, DIM], 1) * 0.5;
        // [side²·in, out] -> [out, in, side, side]
        let kernel =
            |linear: &Linear, side: usize| linear.weight.val().reshape([side, side, DIM, DIM]).permute([3, 2, 0, 1]);
        let picture = x.clone().reshape([2, rows, columns, DIM]).permute([0, 3, 1, 2]);
        let around = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let seen = ops::gelu(conv2d(picture.clone(), kernel(&merger.gather, 3), None, around));
        let apart = ConvOptions::new([2, 2], [0, 0], [1, 1], 1);
        let merged = conv2d(seen, kernel(&merger.merge, 2), None, apart);
        let mean = picture.reshape([2, DIM, rows / 2, 2, columns / 2, 2]).mean_dim(5).mean_dim(3);
        let expected = (merged + mean.reshape([2, DIM, rows / 2, columns / 2])).permute([0, 2, 3, 1]);
        let difference = (merger.forward(x) - expected.reshape([2 * TOKENS / 4, DIM])).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn merger_receives_gradients() {
        let model = model(&Device::flex().autodiff());
        let kinds = kinds();
        let embedded = model.embed(Tokens::new(1, &ids(kinds.len()), &kinds).with_unmerged(&unmerged()), &[]).unwrap();
        let gradients = embedded.powi_scalar(2).sum().backward();
        let merger = model.frame_merger.unwrap();
        for matrix in [merger.gather.weight.val(), merger.merge.weight.val()] {
            assert!(matrix.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>() > 0.0);
        }
    }

    #[test]
    fn frames_that_do_not_divide_and_unknown_tokens_are_refused() {
        let device = Device::flex();
        let config = TransformerConfig { merged_side: 4, ..TransformerConfig::default() };
        let error = FrameMerger::new(&config, GRID, &device).unwrap_err().to_string();
        assert!(error.contains("frames of 4×6 tokens do not divide into patches of `merged_side` 4"), "{error}");

        let kinds = [TokenKind::Vision; OBSERVED];
        let error = model(&device).embed(Tokens::new(1, &[0; OBSERVED], &kinds).with_unmerged(&[6; TOKENS]), &[]);
        assert!(error.unwrap_err().to_string().contains("observed frames"));
    }

    #[test]
    fn reading_the_frame_ahead_token_by_token_matches_the_whole() {
        let model = model(&Device::flex());
        let (kinds, unmerged) = (kinds(), unmerged());
        let ids = ids(kinds.len());
        let whole = values(model.forward(Tokens::new(1, &ids, &kinds).with_unmerged(&unmerged), None).unwrap());
        let (mut cache, mut pieces) = (KvCache::default(), Vec::new());
        let observed = 2 + 2 * OBSERVED;
        let first = Tokens::new(1, &ids[..observed], &kinds[..observed]).with_unmerged(&unmerged);
        pieces.extend(values(model.forward_cached(first, &mut cache).unwrap()));
        for at in observed..ids.len() {
            let token = Tokens::new(1, &ids[at..=at], &kinds[at..=at]);
            pieces.extend(values(model.forward_cached(token, &mut cache).unwrap()));
        }
        assert!(whole.iter().zip(&pieces).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    proptest! {
        /// A token changes its own patch and those that it borders on, in its own frame alone.
        #[test]
        fn a_token_changes_adjacent_patches_alone(changed in 0..2 * TOKENS) {
            let model = model(&Device::flex());
            let mut unmerged = unmerged();
            let before = embedded(&model, &unmerged);
            unmerged[changed] = 5;
            let after = embedded(&model, &unmerged);
            let (frame, place) = (changed / TOKENS, changed % TOKENS);
            let (row, column) = (place / GRID[1], place % GRID[1]);
            for token in (0..before.len()).filter(|token| before[*token] != after[*token]) {
                let in_frames = token.checked_sub(2).filter(|token| *token < 2 * OBSERVED);
                let patch = in_frames.filter(|token| token % OBSERVED < OBSERVED - 1);
                let Some(patch) = patch else { panic!("token {token} is of no observed frame") };
                prop_assert_eq!(patch / OBSERVED, frame);
                let [down, right] = [patch % OBSERVED / 3, patch % OBSERVED % 3].map(|at| 2 * at);
                prop_assert!((down.saturating_sub(1)..down + 3).contains(&row));
                prop_assert!((right.saturating_sub(1)..right + 3).contains(&column));
            }
            prop_assert_ne!(before, after);
        }
    }
}
