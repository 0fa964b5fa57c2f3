//! Description of a token cache.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vipra_data::picture::ImageConfig;

use crate::{Error, Result};

/// File of the description within the folder.
pub(super) const INFO_FILE: &str = "tokens.json";
/// Most tokens of a cache. A description that claims more is damaged.
const MAX_TOKENS: u64 = 1 << 44;

/// Description of a cache: which tokenizer encoded which frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheInfo {
    /// Fingerprint of the tokenizer.
    pub tokenizer: String,
    /// Fingerprint of the dataset.
    pub dataset: String,
    /// The camera whose frames were encoded.
    pub camera: String,
    /// How pictures became the tokenizer's frames.
    pub image: ImageConfig,
    /// Tokens of a frame.
    pub tokens_per_frame: usize,
    /// Codes of the codebook; a token is below this.
    pub codes: usize,
    /// Episodes, in the order of the file.
    pub episodes: Vec<CachedEpisode>,
}

/// An episode of a cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachedEpisode {
    /// Its number in the dataset.
    pub number: usize,
    /// Number of its frames.
    pub frames: usize,
    /// Frames per second.
    pub fps: f64,
}

impl CachedEpisode {
    /// Whether the two are the same, up to the last digit of the rate, which may change when it is written as text.
    fn is(&self, other: &Self) -> bool {
        const DIGITS: f64 = 1e-9;
        let is_rate = (self.fps - other.fps).abs() <= DIGITS * other.fps.abs();
        (self.number, self.frames, is_rate) == (other.number, other.frames, true)
    }
}

impl CacheInfo {
    /// Frames of all episodes.
    pub fn frames(&self) -> usize {
        self.episodes.iter().map(|episode| episode.frames).sum()
    }

    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(INFO_FILE);
        let text = std::fs::read(&path).map_err(Error::cache_io(&path))?;
        let info: Self = serde_json::from_slice(&text).map_err(|error| Error::cache(&path, error.to_string()))?;
        info.validate(&path)?;
        Ok(info)
    }

    /// Refuses a description that contradicts itself.
    pub(super) fn validate(&self, path: &Path) -> Result<()> {
        let fault = |reason: String| Err(Error::cache(path, reason));
        if self.tokens_per_frame == 0 || !(1..=1 << 16).contains(&self.codes) {
            return fault(format!("{} tokens a frame of {} codes", self.tokens_per_frame, self.codes));
        }
        let mut numbers = HashSet::new();
        if let Some(twice) = self.episodes.iter().find(|episode| !numbers.insert(episode.number)) {
            return fault(format!("episode {} stands in it twice", twice.number));
        }
        let tokens = self.episodes.iter().try_fold(0_u64, |sum, episode| {
            sum.checked_add((episode.frames as u64).checked_mul(self.tokens_per_frame as u64)?)
        });
        if tokens.is_none_or(|tokens| tokens > MAX_TOKENS) {
            return fault("it promises more tokens than a file can hold".to_owned());
        }
        Ok(())
    }

    /// Refuses a cache that differs from the wanted one.
    ///
    /// # Errors
    /// [`Error::Cache`] with the first field that differs, and both values.
    pub fn check(&self, wanted: &Self, folder: &Path) -> Result<()> {
        let other = |field: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug| {
            Err(Error::cache(folder, format!("these tokens are of another {field}: {found:?}, wanted is {wanted:?}")))
        };
        if self.tokenizer != wanted.tokenizer {
            return other("tokenizer", &self.tokenizer, &wanted.tokenizer);
        }
        if self.dataset != wanted.dataset {
            return other("dataset", &self.dataset, &wanted.dataset);
        }
        if self.camera != wanted.camera {
            return other("camera", &self.camera, &wanted.camera);
        }
        if self.image != wanted.image {
            return other("image transform", &self.image, &wanted.image);
        }
        let sizes = |info: &Self| (info.tokens_per_frame, info.codes);
        if sizes(self) != sizes(wanted) {
            return other("size (tokens of a frame, codes)", &sizes(self), &sizes(wanted));
        }
        let same = |(found, wanted): (&CachedEpisode, &CachedEpisode)| found.is(wanted);
        let mut pairs = self.episodes.iter().zip(&wanted.episodes);
        if self.episodes.len() != wanted.episodes.len() || !pairs.all(same) {
            let span = |info: &Self| format!("{} of {} frames", info.episodes.len(), info.frames());
            return other("choice of episodes", &span(self), &span(wanted));
        }
        Ok(())
    }
}
