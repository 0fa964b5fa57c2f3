//! Descriptions of models in the header of their weights files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use vipra_nn::weights::Weights;

use crate::checkpoint::find_weights;
use crate::{Error, Result};

/// The description that is needed to use the weights of a model.
///
/// It is stored under a single key of the header: several keys would be written in any order, and equal runs must give equal
/// files.
pub trait WeightsHeader: Serialize + DeserializeOwned {
    /// The key.
    const KEY: &'static str;
    /// The kind of model, as it is named in messages, such as `a frame tokenizer`.
    const MODEL: &'static str;

    /// The header of a weights file.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the description cannot be written as JSON.
    fn to_metadata(&self) -> Result<BTreeMap<String, String>> {
        let text = serde_json::to_string(self).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(BTreeMap::from([(Self::KEY.to_owned(), text)]))
    }

    /// Reads the description from the header of a weights file.
    ///
    /// # Errors
    /// [`Error::NotTrained`] if there is none, or it cannot be read.
    fn of(weights: &Weights) -> Result<Self> {
        let fault = |reason: String| Error::NotTrained { reason, path: weights.source().into() };
        let text = weights.metadata.get(Self::KEY);
        let text = text.ok_or_else(|| fault(format!("these are not the weights of {}", Self::MODEL)))?;
        serde_json::from_str(text).map_err(|error| fault(format!("its description cannot be read: {error}")))
    }
}

/// The weights of a trained model, read.
#[derive(Debug)]
pub struct TrainedWeights<H> {
    /// Description of the model.
    pub header: H,
    /// The weights.
    pub weights: Weights,
    /// Hash of the file, with which everything that the model makes names it.
    pub fingerprint: String,
    /// The file.
    pub path: PathBuf,
}

impl<H: WeightsHeader> TrainedWeights<H> {
    /// Opens a weights file, a checkpoint (averaged weights first), or the last checkpoint of a run folder.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if there is none; [`Error::NotTrained`] if it is of another model; [`Error::Io`]; what is wrong
    /// with the file.
    pub fn open(path: &Path) -> Result<Self> {
        let path = find_weights(path)?;
        let bytes = std::fs::read(&path).map_err(|error| Error::io("reading weights", &path, error))?;
        let weights = Weights::parse_safetensors(&bytes, &path)?;
        let header = H::of(&weights)?;
        let fingerprint = blake3::hash(&bytes).to_hex()[..16].to_owned();
        Ok(Self { header, weights, fingerprint, path })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Chair {
        legs: usize,
    }

    impl WeightsHeader for Chair {
        const KEY: &'static str = "chair";
        const MODEL: &'static str = "a chair";
    }

    fn written(folder: &Path, metadata: BTreeMap<String, String>) -> PathBuf {
        let path = folder.join("model.safetensors");
        let mut weights = Weights::new("made");
        weights.insert("seat", vec![1], vec![0.5]);
        weights.metadata = metadata;
        weights.write_safetensors(&path).unwrap();
        path
    }

    #[test]
    fn what_is_written_is_read_and_known_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), Chair { legs: 3 }.to_metadata().unwrap());
        let first = TrainedWeights::<Chair>::open(&path).unwrap();
        assert_eq!((&first.header, &first.path), (&Chair { legs: 3 }, &path));
        assert_eq!(first.weights.floats("seat").unwrap().1, [0.5]);
        written(folder.path(), Chair { legs: 4 }.to_metadata().unwrap());
        assert_ne!(TrainedWeights::<Chair>::open(&path).unwrap().fingerprint, first.fingerprint);
    }

    #[test]
    fn other_weights_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |metadata| {
            let path = written(folder.path(), metadata);
            TrainedWeights::<Chair>::open(&path).unwrap_err().to_string()
        };
        let bare = refused(BTreeMap::new());
        assert!(bare.contains("not the weights of a chair") && bare.contains("model.safetensors"), "{bare}");
        let unknown = refused(BTreeMap::from([("chair".to_owned(), r#"{"legs":3,"arms":2}"#.to_owned())]));
        assert!(unknown.contains("cannot be read") && unknown.contains("arms"), "{unknown}");
    }
}
