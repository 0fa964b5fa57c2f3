//! The whole model, and quantisation.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Int, Tensor};
use vipra_nn::codebook::nearest;
use vipra_nn::parameter::map_detached;

use super::block::pointwise;
use super::config::VqganConfig;
use super::decoder::Decoder;
use super::encoder::Encoder;
use crate::{Error, Result};

/// Distances between vectors and codes that are computed at a time, to bound memory.
const MAX_DISTANCES: usize = 1 << 24;

/// The frame tokenizer: from frames to tokens and back.
#[derive(Module, Debug)]
pub struct Vqgan {
    /// From a frame to a grid of vectors.
    pub encoder: Encoder,
    /// From the latent channels to those of a code.
    pub to_codes: Conv2d,
    /// `[codes, code_dim]`; updated from the vectors assigned to each code, not by gradients.
    pub codebook: Param<Tensor<2>>,
    /// From a code's channels to the latent ones.
    pub from_codes: Conv2d,
    /// From a grid of vectors to a frame.
    pub decoder: Decoder,
    /// Size of the model.
    #[module(skip)]
    pub config: VqganConfig,
}

/// Result of a forward pass in training.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    /// `[frames, 3, height, width]`, roughly in [0, 1], not clipped.
    pub frames: Tensor<4>,
    /// Encoder outputs before quantisation, `[frames · tokens, code_dim]`.
    pub vectors: Tensor<2>,
    /// None of a pass without quantisation.
    pub quantized: Option<Quantized>,
}

/// Quantised vectors and their tokens.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The code vector of each token, without gradients, `[frames · tokens, code_dim]`.
    pub values: Tensor<2>,
    /// `[frames · tokens]`
    pub tokens: Tensor<1, Int>,
}

impl VqganConfig {
    /// A model with random weights.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all faults of the configuration.
    pub fn init(&self, device: &Device) -> Result<Vqgan> {
        self.validate()?;
        Ok(Vqgan {
            encoder: Encoder::new(self, device),
            to_codes: pointwise(self.latent_dim, self.code_dim, device),
            codebook: Initializer::Normal { mean: 0.0, std: 1.0 }.init([self.codes, self.code_dim], device),
            from_codes: pointwise(self.code_dim, self.latent_dim, device),
            decoder: Decoder::new(self, device),
            config: self.clone(),
        })
    }
}

impl Vqgan {
    /// Tokens of frames, row by row.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` in [0, 1] → `[frames, tokens]`
    pub fn encode(&self, frames: Tensor<4>) -> Tensor<2, Int> {
        let [count, ..] = frames.dims();
        let tokens = self.nearest_codes(self.encode_vectors(frames));
        tokens.reshape([count, self.config.tokens_per_frame()])
    }

    /// Rebuilds frames from tokens, clipped to [0, 1].
    ///
    /// # Shapes
    /// `[frames, tokens]` → `[frames, 3, height, width]`
    pub fn decode(&self, tokens: Tensor<2, Int>) -> Tensor<4> {
        let [frames, count] = tokens.dims();
        let values = self.look_up(tokens.reshape([frames * count]));
        self.decode_vectors(values).clamp(0.0, 1.0)
    }

    /// Quantises with a straight-through gradient and decodes.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` in [0, 1]
    pub fn reconstruct(&self, frames: Tensor<4>) -> Reconstruction {
        let vectors = self.encode_vectors(frames);
        let tokens = self.nearest_codes(vectors.clone());
        let values = self.look_up(tokens.clone()).detach();
        let straight_through = vectors.clone() + (values.clone() - vectors.clone().detach());
        let frames = self.decode_vectors(straight_through);
        Reconstruction { frames, vectors, quantized: Some(Quantized { values, tokens }) }
    }

    /// As [`reconstruct`](Self::reconstruct), but decodes the encoder's outputs without quantising them.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` in [0, 1]
    pub fn reconstruct_unquantized(&self, frames: Tensor<4>) -> Reconstruction {
        let vectors = self.encode_vectors(frames);
        Reconstruction { frames: self.decode_vectors(vectors.clone()), vectors, quantized: None }
    }

    /// Encoder outputs before quantisation.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` in [0, 1] → `[frames · tokens, code_dim]`
    pub fn encode_vectors(&self, frames: Tensor<4>) -> Tensor<2> {
        let grid = self.to_codes.forward(self.encoder.forward(frames * 2.0 - 1.0));
        let [frames, dim, rows, columns] = grid.dims();
        grid.reshape([frames, dim, rows * columns]).swap_dims(1, 2).reshape([frames * rows * columns, dim])
    }

    /// Rebuilds frames from code vectors or encoder outputs, not clipped.
    ///
    /// # Shapes
    /// `[frames · tokens, code_dim]` → `[frames, 3, height, width]`, roughly in [0, 1]
    pub fn decode_vectors(&self, vectors: Tensor<2>) -> Tensor<4> {
        let [count, dim] = vectors.dims();
        let [rows, columns] = self.config.grid();
        let frames = count / (rows * columns);
        let grid = vectors.reshape([frames, rows * columns, dim]).swap_dims(1, 2).reshape([frames, dim, rows, columns]);
        (self.decoder.forward(self.from_codes.forward(grid)) + 1.0) / 2.0
    }

    /// The vectors of codes.
    ///
    /// # Shapes
    /// `[vectors]`, in `0..codes` → `[vectors, code_dim]`
    pub fn look_up(&self, tokens: Tensor<1, Int>) -> Tensor<2> {
        self.codebook.val().select(0, tokens)
    }

    /// The nearest code of each vector.
    ///
    /// # Shapes
    /// `[vectors, code_dim]` → `[vectors]`
    pub fn nearest_codes(&self, vectors: Tensor<2>) -> Tensor<1, Int> {
        let [count, _] = vectors.dims();
        let batch = (MAX_DISTANCES / self.config.codes).max(1);
        let runs = (0..count).step_by(batch).map(|first| {
            let run = vectors.clone().narrow(0, first, batch.min(count - first));
            nearest(run, self.codebook.val())
        });
        Tensor::cat(runs.collect(), 0)
    }

    /// The model with a codebook computed from this one without gradients.
    ///
    /// # Shapes
    /// `change`: `[codes, code_dim]` → the same
    pub fn map_codebook(mut self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        self.codebook = map_detached(self.codebook, change);
        self
    }

    /// Checks the size of frames.
    ///
    /// # Errors
    /// [`Error::Size`] for frames of another size than the model's.
    pub fn check_frames(&self, frames: &Tensor<4>) -> Result<()> {
        let [_, channels, height, width] = frames.dims();
        if (channels, [height, width]) == (3, self.config.frame_size) {
            return Ok(());
        }
        let [rows, columns] = self.config.frame_size;
        let expected = format!("[frames, 3, {rows}, {columns}]");
        Err(Error::Size { what: "the shape of frames", expected, found: frames.dims().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Device, Distribution, Tensor};

    use super::{Vqgan, VqganConfig};

    fn model(device: &Device) -> Vqgan {
        let config = VqganConfig {
            frame_size: [16, 8],
            width: 8,
            multipliers: vec![1, 2, 2],
            blocks: 1,
            groups: 4,
            latent_dim: 6,
            codes: 12,
            code_dim: 5,
        };
        config.init(device).unwrap()
    }

    #[test]
    fn gradients_pass_the_codes_and_leave_the_codebook_alone() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        let frames = Tensor::<4>::random([2, 3, 16, 8], Distribution::Uniform(0.0, 1.0), &device);
        let rebuilt = model.reconstruct(frames.clone());
        assert_eq!(rebuilt.frames.dims(), [2, 3, 16, 8]);
        assert_eq!(rebuilt.vectors.dims(), [16, 5]);
        let gradients = (rebuilt.frames - frames).abs().mean().backward();
        let gradient = model.encoder.input.weight.val().grad(&gradients).unwrap();
        assert!(gradient.abs().sum().into_scalar::<f32>() > 0.0, "the encoder learns through the codes");
        assert!(model.codebook.val().grad(&gradients).is_none());
    }

    #[test]
    fn frames_are_coded_one_by_one_and_decoded_by_their_tokens() {
        let device = Device::flex();
        let model = model(&device).valid();
        let frames = Tensor::<4>::random([3, 3, 16, 8], Distribution::Uniform(0.0, 1.0), &device);
        let tokens = model.encode(frames.clone());
        assert_eq!(tokens.dims(), [3, 8]);
        let alone = model.encode(frames.narrow(0, 1, 1));
        let numbers = |tokens: Tensor<2, burn::tensor::Int>| tokens.into_data().iter::<i64>().collect::<Vec<_>>();
        assert_eq!(numbers(alone), numbers(tokens.clone().narrow(0, 1, 1)));
        let rebuilt = model.decode(tokens);
        assert_eq!(rebuilt.dims(), [3, 3, 16, 8]);
        let (low, high) = (rebuilt.clone().min().into_scalar::<f32>(), rebuilt.max().into_scalar::<f32>());
        assert!(low >= 0.0 && high <= 1.0);
        assert!(model.check_frames(&Tensor::zeros([1, 3, 8, 16], &device)).is_err());
    }
}
