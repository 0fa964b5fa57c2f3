//! The first codes.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vipra_data::clip::ClipDataset;
use vipra_nn::codebook::reseed;
use vipra_train::for_step;
use vipra_train::perceptual::Pictures;

use super::config::TokenizerStageConfig;
use super::frames::FrameStream;
use crate::{Result, Vqgan};

/// Frames that the first codes are taken from: of a few, every vector would become a code, and most of a few frames is
/// background.
const FRAMES: usize = 256;

/// The model with codes from what its encoder puts out for frames, far from one another.
///
/// # Errors
/// What is wrong with the data.
pub(super) fn seed_codebook(
    model: Vqgan,
    config: &TokenizerStageConfig,
    dataset: &Arc<ClipDataset>,
    device: &Device,
) -> Result<Vqgan> {
    let mut frames = FrameStream::start(dataset, &device.clone().without_autodiff())?;
    let batch = config.train.batch_size;
    let frozen = model.valid();
    let passes = FRAMES.div_ceil(batch);
    let vectors = (0..passes).map(|_| Ok(frozen.encode_vectors(frames.next(batch).map_err(vipra_train::Error::from)?)));
    let vectors = Tensor::cat(vectors.collect::<Result<Vec<_>>>()?, 0);
    // A stream of its own: the steps' begin at 0.
    let mut random = for_step(config.train.seed, u64::MAX);
    let all = vec![true; config.model.codes];
    Ok(model.map_codebook(|codebook| reseed(codebook, &all, vectors, &mut random)))
}
