//! A trained model, read from a checkpoint.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vipra_data::picture::ImageConfig;
use vipra_nn::pixels;
use vipra_nn::weights::{Names, Weights, load, save};
use vipra_train::{TrainedWeights, WeightsHeader};

use crate::{Result, Vqgan, VqganConfig, is_reference, reference_names, reference_weights};

/// Frames that are encoded at a time, to bound memory.
const ENCODE_BATCH: usize = 32;

/// What is needed to use a model beside its weights; stored in the header of the weights file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Size of the model.
    pub model: VqganConfig,
    /// How pictures become its frames.
    pub image: ImageConfig,
}

impl WeightsHeader for Description {
    const KEY: &'static str = "frame_tokenizer";
    const MODEL: &'static str = "a frame tokenizer";
}

/// A trained model with its description.
#[derive(Debug)]
pub struct TrainedTokenizer {
    /// In evaluation mode.
    pub model: Vqgan,
    /// Its size and images.
    pub description: Description,
    /// Hash of the weights file, with which token caches name their model.
    pub fingerprint: String,
    /// The weights file.
    pub path: PathBuf,
}

impl TrainedTokenizer {
    /// Opens a weights file, a checkpoint (averaged weights first), or the last checkpoint of a run folder.
    ///
    /// # Errors
    /// [`vipra_train::Error`] if there are none, or they are not of a frame tokenizer; what is wrong with the weights.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let trained = TrainedWeights::<Description>::open(path)?;
        let TrainedWeights { header: description, weights, fingerprint, path } = trained;
        let model = load(description.model.init(device)?, &weights, &Names::default())?.valid();
        Ok(Self { model, description, fingerprint, path })
    }

    /// Tokens of frames of the model's size, in batches.
    ///
    /// # Shapes
    /// `frames`: `[frames, height, width, 3]`, RGB, 0..=255 → `[frames, tokens]`
    pub fn encode_bytes(&self, frames: &[u8]) -> Vec<u16> {
        let [height, width] = self.description.model.frame_size;
        let device = vipra_nn::device::of(&self.model);
        let mut tokens = Vec::new();
        for batch in frames.chunks((3 * height * width * ENCODE_BATCH).max(1)) {
            let count = batch.len() / (3 * height * width).max(1);
            let pixels = pixels::from_bytes(batch, [count, height, width], &device);
            tokens.extend(self.model.encode(pixels).into_data().iter::<i64>().map(|token| token as u16));
        }
        tokens
    }

    /// Imports weights of the reference, or our own, into a file that [`open`](Self::open) reads.
    ///
    /// # Errors
    /// What is wrong with the weights, with all names that do not fit; what keeps the file from being written.
    pub fn import(description: &Description, weights: &Path, out: &Path, device: &Device) -> Result<()> {
        Self::write(&start_from(description.model.init(device)?, weights)?, description, out)
    }

    /// Writes a model with its description into a file that [`open`](Self::open) reads.
    ///
    /// # Errors
    /// What keeps the file from being written.
    pub fn write(model: &Vqgan, description: &Description, path: &Path) -> Result<()> {
        let mut weights = save(model, &Names::default())?;
        weights.metadata = description.to_metadata()?;
        Ok(weights.write_safetensors(path)?)
    }
}

/// The model with weights of the reference, or our own.
///
/// # Errors
/// What is wrong with the file, with all names that do not fit.
pub(crate) fn start_from(model: Vqgan, path: &Path) -> Result<Vqgan> {
    let weights = Weights::read(path)?;
    Ok(if is_reference(&weights) {
        load(model, &reference_weights(&weights), &reference_names())?
    } else {
        load(model, &weights, &Names::default())?
    })
}
