//! Several tokens of an observed frame as one.
//!
//! A thing of a few tokens is known by tokens that stand together, and is one of hundreds that attention has to find. A model
//! that read a million videos finds it; one that begins with a hundred demonstrations does not (docs/results.md). What is
//! predicted, the frame ahead, is read token by token as ever.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use vipra_nn::ops;

use super::config::TransformerConfig;
use super::embedding::indices;
use crate::{Error, Result};

/// Places of a token and of its neighbours, row by row.
const TAPS: usize = 9;

/// A convolution over the embedded codes of a frame, then a linear layer over each square of them, and the square's mean. No
/// biases: what lies outside of the frame is zero.
#[derive(Module, Debug)]
pub struct FrameMerger {
    /// `9·dim → dim`
    pub gather: Linear,
    /// `side²·dim → dim`
    pub merge: Linear,
    /// Rows and columns of a frame's codes.
    #[module(skip)]
    grid: [usize; 2],
    /// Side of a square.
    #[module(skip)]
    side: usize,
}

impl FrameMerger {
    /// Random weights, by their inputs.
    ///
    /// # Errors
    /// [`Error::Invalid`] if frames do not divide into squares.
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

    /// Codes of a frame.
    pub(super) fn codes(&self) -> usize {
        self.grid.iter().product()
    }

    /// Codes that become one token.
    pub(super) fn merged(&self) -> usize {
        self.side * self.side
    }

    /// # Shapes
    /// `x`: `[frames·rows·columns, dim]` → `[frames·rows·columns/side², dim]`
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (device, [codes, dim]) = (x.device(), x.dims());
        let (frames, squares) = (codes / self.codes(), codes / self.merged());
        let padded = Tensor::cat(vec![Tensor::zeros([1, dim], &device), x.clone()], 0);
        // [codes·9, dim] -> [codes, 9·dim]
        let around = padded.select(0, indices(&self.neighbours(frames), &device)).reshape([codes, TAPS * dim]);
        let seen = ops::gelu(ops::linear(&self.gather, around));
        let by_square = indices(&self.squares(frames), &device);
        let in_squares = |x: Tensor<2>| x.select(0, by_square.clone());
        let mean = in_squares(x).reshape([squares, self.merged(), dim]).mean_dim(1).reshape([squares, dim]);
        mean + ops::linear(&self.merge, in_squares(seen).reshape([squares, self.merged() * dim]))
    }

    /// Of each code, row by row, the codes around it, counted from 1; 0 outside of its frame.
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

    /// The codes, square by square.
    fn squares(&self, frames: usize) -> Vec<u32> {
        let ([rows, columns], side) = (self.grid, self.side);
        let squares = cells([frames * rows / side, columns / side]);
        let codes = squares.flat_map(|(row, column)| {
            cells([side, side]).map(move |(down, right)| (row * side + down) * columns + column * side + right)
        });
        codes.map(|code| code as u32).collect()
    }
}

/// Rows and columns, row by row.
fn cells([rows, columns]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use proptest::prelude::*;

    use super::*;
    use crate::layout::Kind;
    use crate::model::tokens::Run;
    use crate::model::{KvCache, Tokens, Transformer, Vocabularies};

    const GRID: [usize; 2] = [4, 6];
    const CODES: usize = 24;
    /// Tokens of an observed frame, its end among them.
    const OBSERVED: usize = 7;
    const DIM: usize = 8;

    fn model(device: &Device) -> Transformer {
        let config = TransformerConfig {
            dim: DIM,
            layers: 1,
            heads: 2,
            feed_forward: 8,
            merged_side: 2,
            ..TransformerConfig::default()
        };
        let frame_positions = CODES + 1;
        let vocabularies =
            Vocabularies { text: 6, vision: 6, latent_action: 3, frame_positions, frame_grid: Some(GRID) };
        device.seed(5);
        config.init(&vocabularies, device).unwrap().with_sinusoidal_frame_positions(GRID)
    }

    /// Some words, two observed frames, and the frame ahead.
    fn kinds() -> Vec<Kind> {
        let ahead = vec![Kind::LatentState; CODES + 1];
        [vec![Kind::Text; 2], vec![Kind::Vision; 2 * OBSERVED], ahead].concat()
    }

    fn ids(count: usize) -> Vec<u32> {
        (0..count).map(|at| (at * at % 6) as u32).collect()
    }

    fn codes() -> Vec<u16> {
        (0..2 * CODES).map(|at| (at * 7 % 5) as u16).collect()
    }

    fn embedded(model: &Transformer, observed: &[u16]) -> Vec<Vec<f32>> {
        let kinds = kinds();
        let values = model.embed(Tokens::new(1, &ids(kinds.len()), &kinds).seeing(observed), &[]).unwrap();
        let values: Vec<f32> = values.into_data().iter::<f32>().collect();
        values.chunks(DIM).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn it_is_a_convolution_of_each_frame_and_one_over_squares() {
        let device = Device::flex();
        let merger = model(&device).frame_merger.unwrap();
        let [rows, columns] = GRID;
        let x = Tensor::<2>::random([2 * CODES, DIM], Distribution::Normal(0.0, 1.0), &device);
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
        let difference = (merger.forward(x) - expected.reshape([2 * CODES / 4, DIM])).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn it_is_learned() {
        let model = model(&Device::flex().autodiff());
        let kinds = kinds();
        let embedded = model.embed(Tokens::new(1, &ids(kinds.len()), &kinds).seeing(&codes()), &[]).unwrap();
        let gradients = embedded.powi_scalar(2).sum().backward();
        let merger = model.frame_merger.unwrap();
        for matrix in [merger.gather.weight.val(), merger.merge.weight.val()] {
            assert!(matrix.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>() > 0.0);
        }
    }

    #[test]
    fn frames_that_do_not_divide_and_codes_that_there_are_not_are_refused() {
        let device = Device::flex();
        let config = TransformerConfig { merged_side: 4, ..TransformerConfig::default() };
        let error = FrameMerger::new(&config, GRID, &device).unwrap_err().to_string();
        assert!(error.contains("frames of 4×6 tokens do not divide into squares of `merged_side` 4"), "{error}");

        let kinds = [Kind::Vision; OBSERVED];
        let error = model(&device).embed(Tokens::new(1, &[0; OBSERVED], &kinds).seeing(&[6; CODES]), &[]);
        assert!(error.unwrap_err().to_string().contains("observed frames"));
    }

    #[test]
    fn the_frame_ahead_can_be_read_token_by_token() {
        let model = model(&Device::flex());
        let (kinds, codes) = (kinds(), codes());
        let ids = ids(kinds.len());
        let values = |tensor: Tensor<3>| -> Vec<f32> { tensor.into_data().iter::<f32>().collect() };
        let whole = values(model.forward(Tokens::new(1, &ids, &kinds).seeing(&codes), None).unwrap());
        let (mut cache, mut pieces) = (KvCache::default(), Vec::new());
        let observed = 2 + 2 * OBSERVED;
        let first = Tokens::new(1, &ids[..observed], &kinds[..observed]).seeing(&codes);
        pieces.extend(values(model.forward_cached(first, &mut cache).unwrap()));
        for at in observed..ids.len() {
            let token = Tokens::new(1, &ids[at..=at], &kinds[at..=at]).behind(Run::at_end(&kinds[..at]));
            pieces.extend(values(model.forward_cached(token, &mut cache).unwrap()));
        }
        assert!(whole.iter().zip(&pieces).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    proptest! {
        /// A code is seen by its square and by those that it borders on, in its own frame alone.
        #[test]
        fn a_code_is_seen_nearby(changed in 0..2 * CODES) {
            let model = model(&Device::flex());
            let mut codes = codes();
            let before = embedded(&model, &codes);
            codes[changed] = 5;
            let after = embedded(&model, &codes);
            let (frame, code) = (changed / CODES, changed % CODES);
            let (row, column) = (code / GRID[1], code % GRID[1]);
            for token in (0..before.len()).filter(|token| before[*token] != after[*token]) {
                let in_frames = token.checked_sub(2).filter(|token| *token < 2 * OBSERVED);
                let square = in_frames.filter(|token| token % OBSERVED < OBSERVED - 1);
                let Some(square) = square else { panic!("token {token} is of no observed frame") };
                prop_assert_eq!(square / OBSERVED, frame);
                let [down, right] = [square % OBSERVED / 3, square % OBSERVED % 3].map(|at| 2 * at);
                prop_assert!((down.saturating_sub(1)..down + 3).contains(&row));
                prop_assert!((right.saturating_sub(1)..right + 3).contains(&column));
            }
            prop_assert_ne!(before, after);
        }
    }
}
