//! Initialisation of the codebook.

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

/// Frames from which the first codes are taken. Few frames have few vectors, most of them of the background.
const FRAMES: usize = 256;

/// The model with codes taken from its encoder's outputs, far from one another.
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
    // A random stream of its own: those of the steps are numbered from 0.
    let mut random = for_step(config.train.seed, u64::MAX);
    let all = vec![true; config.model.codes];
    Ok(model.map_codebook(|codebook| reseed(codebook, &all, vectors, &mut random)))
}
