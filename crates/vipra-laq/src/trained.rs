//! A trained model, as it lies in a checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vipra_data::DataConfig;
use vipra_data::clip::ClipConfig;
use vipra_data::picture::ImageConfig;
use vipra_nn::weights::{Names, Weights, load};
use vipra_train::checkpoint::find_weights;

use crate::{Error, Laq, LaqConfig, Result};

/// Key of the description in the header of the weights.
const DESCRIPTION: &str = "latent_action_model";

/// What must be known of a model to use it: written into the header of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Size of the model.
    pub model: LaqConfig,
    /// Clips that it was trained on; codes speak of transitions of `interval_secs`.
    pub clip: ClipConfig,
    /// How its frames are made.
    pub image: ImageConfig,
}

impl Description {
    /// Of a model that is trained on these data.
    pub fn new(model: &LaqConfig, data: &DataConfig) -> Self {
        Self { model: model.clone(), clip: data.clip, image: data.image }
    }

    /// As the header of a weights file holds it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has no form in JSON.
    pub fn to_metadata(&self) -> Result<BTreeMap<String, String>> {
        let text = serde_json::to_string(self).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(BTreeMap::from([(DESCRIPTION.to_owned(), text)]))
    }
}

/// A trained model and what must be known of it.
#[derive(Debug)]
pub struct TrainedLaq {
    /// In evaluation mode.
    pub model: Laq,
    /// What it was made for.
    pub description: Description,
    /// Hash of the weights file, by which labels know their model.
    pub fingerprint: String,
    /// The weights file.
    pub path: PathBuf,
}

impl TrainedLaq {
    /// Opens a weights file, a checkpoint (averaged weights first), or the last checkpoint of a run folder.
    ///
    /// # Errors
    /// [`Error::NotTrained`] if the file is no latent action model; [`Error::Train`] if there is none; what is wrong with
    /// the weights.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let file = find_weights(path)?;
        let weights = Weights::read_safetensors(&file)?;
        let fault = |reason: String| Error::NotTrained { reason, path: file.clone() };
        let text = weights.metadata.get(DESCRIPTION);
        let text = text.ok_or_else(|| fault("these are not the weights of a latent action model".to_owned()))?;
        let description: Description =
            serde_json::from_str(text).map_err(|error| fault(format!("its description cannot be read: {error}")))?;
        let model = load(description.model.init(device)?, &weights, &Names::default())?.valid();
        let bytes = std::fs::read(&file).map_err(|error| fault(error.to_string()))?;
        let fingerprint = blake3::hash(&bytes).to_hex()[..16].to_owned();
        Ok(Self { model, description, fingerprint, path: file })
    }
}
