//! The vision transformer.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vipra_nn::norm::AffineLayerNorm;
use vipra_nn::patch_embedding::PatchEmbedding;
use vipra_nn::weights::Rename;

use super::block::{Block, EPSILON, WEIGHT_STD};
use super::resample::bicubic_weights;

/// Colour channels of a frame.
const CHANNELS: usize = 3;
/// Mean and standard deviation of ImageNet's pixels in [0, 1], with which frames are normalised (reference 3.1).
const PIXEL_MEAN: [f32; CHANNELS] = [0.485, 0.456, 0.406];
const PIXEL_STD: [f32; CHANNELS] = [0.229, 0.224, 0.225];

/// Names of the encoder's parameters in DINOv2's own files.
pub const DINO_NAMES: &[Rename] = &[
    Rename::new("SpatialEncoder", "class_token", "cls_token"),
    Rename::new("SpatialEncoder", "positions", "pos_embed"),
    Rename::new("SpatialEncoder", "registers", "register_tokens"),
    Rename::new("SpatialEncoder", "patches", "patch_embed.proj"),
    Rename::new("Block", "attention_norm", "norm1"),
    Rename::new("Block", "qkv", "attn.qkv"),
    Rename::new("Block", "projection", "attn.proj"),
    Rename::new("Block", "attention_scale", "ls1.gamma"),
    Rename::new("Block", "hidden_norm", "norm2"),
    Rename::new("Block", "expand", "mlp.fc1"),
    Rename::new("Block", "contract", "mlp.fc2"),
    Rename::new("Block", "hidden_scale", "ls2.gamma"),
];

/// Names in DINOv2's files that only its own training uses (reference 0.4).
pub const DINO_UNUSED: &[&str] = &["mask_token"];

/// Size of the spatial encoder; its width and patch are the model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpatialEncoderConfig {
    /// Number of blocks (12 in ViT-B, reference 3.2).
    pub depth: usize,
    /// Heads of each attention; must divide the width (12 in ViT-B).
    pub heads: usize,
    /// Register tokens, which gather what belongs to no patch (4 in the release, reference 3.2).
    pub registers: usize,
    /// Side of the square grid for which position embeddings are kept, in patches. They are resampled to the grid of the
    /// frames. 37 for pretrained weights (trained at 518 pixels); the frames' own grid is right for training from scratch.
    pub position_grid: usize,
}

impl Default for SpatialEncoderConfig {
    /// For 8×8 patches, trained from scratch.
    fn default() -> Self {
        Self { depth: 2, heads: 4, registers: 4, position_grid: 8 }
    }
}

impl SpatialEncoderConfig {
    /// An encoder with random weights, for tokens of width `dim` and patches of `patch`×`patch` pixels.
    pub fn init(&self, dim: usize, patch: usize, device: &Device) -> SpatialEncoder {
        let normal = Initializer::Normal { mean: 0.0, std: WEIGHT_STD };
        SpatialEncoder {
            patches: PatchEmbedding::new(CHANNELS, dim, patch, device),
            class_token: normal.init([1, 1, dim], device),
            positions: normal.init([1, 1 + self.position_grid * self.position_grid, dim], device),
            registers: normal.init([1, self.registers, dim], device),
            blocks: (0..self.depth).map(|_| Block::new(dim, self.heads, device)).collect(),
            norm: AffineLayerNorm::new(dim, EPSILON, device),
            patch,
        }
    }
}

/// Vision transformer with register tokens (reference 3.2).
#[derive(Module, Debug)]
pub struct SpatialEncoder {
    /// Patch projection.
    pub patches: PatchEmbedding,
    /// `[1, 1, dim]`
    pub class_token: Param<Tensor<3>>,
    /// Position embeddings, that of the class token first, `[1, 1 + position_grid², dim]`.
    pub positions: Param<Tensor<3>>,
    /// `[1, registers, dim]`
    pub registers: Param<Tensor<3>>,
    /// In order.
    pub blocks: Vec<Block>,
    /// Final norm.
    pub norm: AffineLayerNorm,
    /// Side of a patch, in pixels.
    pub patch: usize,
}

impl SpatialEncoder {
    /// Features of the patches of each frame.
    ///
    /// # Shapes
    /// `frames`: `[frames, 3, height, width]` in [0, 1] → `[frames, height/patch · width/patch, dim]`
    pub fn forward(&self, frames: Tensor<4>) -> Tensor<3> {
        let (tokens, class) = self.embed(frames);
        let [count, patches, dim] = tokens.dims();
        let registers = self.registers.val().expand([count, self.registers.dims()[1], dim]);
        // The registers stand between the class token and the patches and have no position.
        let x = Tensor::cat(vec![class, registers, tokens], 1);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let skipped = x.dims()[1] - patches;
        self.norm.forward(x.narrow(1, skipped, patches))
    }

    /// The inputs of the blocks: patches and class token, with position embeddings added.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` → `[frames, patches, dim]` and `[frames, 1, dim]`
    pub fn embed(&self, frames: Tensor<4>) -> (Tensor<3>, Tensor<3>) {
        let [count, _, height, width] = frames.dims();
        let patches = self.patches.forward(normalize_pixels(frames));
        let positions = self.positions_for([height / self.patch, width / self.patch]);
        let [_, tokens, dim] = positions.dims();
        let class = self.class_token.val() + positions.clone().narrow(1, 0, 1);
        (patches + positions.narrow(1, 1, tokens - 1), class.expand([count, 1, dim]))
    }

    /// Position embeddings resampled to a grid by antialiased bicubic interpolation; that of the class token is kept
    /// (reference 3.2).
    ///
    /// # Shapes
    /// → `[1, 1 + rows·columns, dim]`
    pub fn positions_for(&self, grid: [usize; 2]) -> Tensor<3> {
        let positions = self.positions.val();
        let [_, count, dim] = positions.dims();
        let side = (count - 1).isqrt();
        if grid == [side, side] {
            return positions;
        }
        let device = positions.device().without_autodiff();
        let weights = |output: usize| {
            Tensor::<2>::from_data(TensorData::new(bicubic_weights(side, output), [output, side]), &device)
        };
        let [rows, columns] = grid;
        let class = positions.clone().narrow(1, 0, 1);
        // Rows: [rows, side] × [side, side·dim]; then columns: [1, columns, side] × [rows, side, dim].
        let patches = positions.narrow(1, 1, count - 1).reshape([side, side * dim]);
        let patches = weights(rows).matmul(patches).reshape([rows, side, dim]);
        let across = weights(columns).unsqueeze::<3>().expand([rows, columns, side]);
        let patches = across.matmul(patches).reshape([1, rows * columns, dim]);
        Tensor::cat(vec![class, patches], 1)
    }
}

fn normalize_pixels(frames: Tensor<4>) -> Tensor<4> {
    let device = frames.device().without_autodiff();
    let channel = |values: [f32; CHANNELS]| Tensor::<1>::from_data(values, &device).reshape([1, CHANNELS, 1, 1]);
    (frames - channel(PIXEL_MEAN)) / channel(PIXEL_STD)
}
