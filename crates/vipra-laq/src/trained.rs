//! A trained model, read from a checkpoint.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vipra_data::DataConfig;
use vipra_data::clip::ClipConfig;
use vipra_data::picture::ImageConfig;
use vipra_nn::weights::{Names, load};
use vipra_train::{TrainedWeights, WeightsHeader};

use crate::{Laq, LaqConfig, Result};

/// What is needed to use a model beside its weights; stored in the header of the weights file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Size of the model.
    pub model: LaqConfig,
    /// Clips that it was trained on; its codes describe transitions of `interval_secs`.
    pub clip: ClipConfig,
    /// How its frames are made.
    pub image: ImageConfig,
}

impl Description {
    /// The description of a model that is trained on these data.
    pub fn new(model: &LaqConfig, data: &DataConfig) -> Self {
        Self { model: model.clone(), clip: data.clip, image: data.image }
    }
}

impl WeightsHeader for Description {
    const KEY: &'static str = "latent_action_model";
    const MODEL: &'static str = "a latent action model";
}

/// A trained model with its description.
#[derive(Debug)]
pub struct TrainedLaq {
    /// In evaluation mode.
    pub model: Laq,
    /// Its size, clips and images.
    pub description: Description,
    /// Hash of the weights file, with which labels name their model.
    pub fingerprint: String,
    /// The weights file.
    pub path: PathBuf,
}

impl TrainedLaq {
    /// Opens a weights file, a checkpoint (averaged weights first), or the last checkpoint of a run folder.
    ///
    /// # Errors
    /// [`vipra_train::Error`] if there are none, or they are not of a latent action model; what is wrong with the weights.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let trained = TrainedWeights::<Description>::open(path)?;
        let TrainedWeights { header: description, weights, fingerprint, path } = trained;
        let model = load(description.model.init(device)?, &weights, &Names::default())?.valid();
        Ok(Self { model, description, fingerprint, path })
    }
}
