//! Tokens of augmented frames, kept on disk for the next run.
//!
//! Each dataset has a folder `views-HASH` with `views.json`, which says what the tokens were made of, and a file for each episode
//! and augmentation: its tokens, two bytes each, little-endian.

use std::path::{Path, PathBuf};

use serde::Serialize;
use vipra_data::picture::{AugmentConfig, ImageConfig};
use vipra_data::source::fingerprint;
use vipra_data::writer::write_atomic;
use vipra_tokenizer::TrainedTokenizer;

use crate::frames::CameraSource;
use crate::{Error, Result};

/// Everything that the tokens depend on, except the episode and the number of its augmentation.
#[derive(Serialize)]
struct AugmentationInfo<'a> {
    tokenizer: &'a str,
    dataset: String,
    camera: &'a str,
    image: ImageConfig,
    augmentation: &'a AugmentConfig,
    seed: u64,
    /// Number of the dataset in the run: augmentations are drawn by it.
    source: usize,
}

/// Kept tokens of one dataset's augmented frames.
#[derive(Debug)]
pub(crate) struct AugmentedTokenCache {
    folder: PathBuf,
    tokens_per_frame: usize,
    codes: usize,
}

impl AugmentedTokenCache {
    /// Opens the folder of these tokens within `root`, and makes it if it is missing.
    pub(crate) fn open(
        root: &Path,
        tokenizer: &TrainedTokenizer,
        CameraSource { number, source, camera }: CameraSource<'_>,
        augmentation: &AugmentConfig,
        seed: u64,
    ) -> Result<Self> {
        let info = AugmentationInfo {
            tokenizer: &tokenizer.fingerprint,
            dataset: fingerprint(source)?,
            camera,
            image: tokenizer.description.image,
            augmentation,
            seed,
            source: number,
        };
        let info = serde_json::to_vec_pretty(&info).map_err(|error| Error::Invalid(error.to_string()))?;
        let folder = root.join(format!("views-{}", &blake3::hash(&info).to_hex()[..12]));
        let what = "keeping tokens of augmented frames";
        std::fs::create_dir_all(&folder).map_err(|reason| Error::Io { what, reason, path: folder.clone() })?;
        write_atomic(&folder.join("views.json"), &info)?;
        let model = &tokenizer.description.model;
        Ok(Self { folder, tokens_per_frame: model.tokens_per_frame(), codes: model.codes })
    }

    /// Tokens of an episode's frames under the nth augmentation, `[frames, tokens_per_frame]`, if they were kept.
    pub(crate) fn read(&self, episode: usize, nth: u64, frames: usize) -> Result<Option<Vec<u16>>> {
        let path = self.path(episode, nth);
        let what = "reading kept tokens";
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(reason) => return Err(Error::Io { what, reason, path }),
        };
        let tokens: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let wanted = frames * self.tokens_per_frame;
        if bytes.len() != 2 * wanted || tokens.iter().any(|token| usize::from(*token) >= self.codes) {
            let reason = format!("are damaged (wanted are {wanted} tokens of {} codes): delete the file", self.codes);
            return Err(Error::Mismatch { what: "kept tokens of augmented frames", reason, path });
        }
        Ok(Some(tokens))
    }

    /// Keeps tokens of an episode.
    pub(crate) fn write(&self, episode: usize, nth: u64, tokens: &[u16]) -> Result<()> {
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        Ok(write_atomic(&self.path(episode, nth), &bytes)?)
    }

    fn path(&self, episode: usize, nth: u64) -> PathBuf {
        self.folder.join(format!("{episode:06}-{nth:03}.bin"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path) -> AugmentedTokenCache {
        AugmentedTokenCache { folder: folder.to_path_buf(), tokens_per_frame: 3, codes: 8 }
    }

    #[test]
    fn kept_tokens_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path());
        assert_eq!(kept.read(4, 1, 2).unwrap(), None);
        kept.write(4, 1, &[0, 1, 2, 5, 6, 7]).unwrap();
        assert_eq!(kept.read(4, 1, 2).unwrap(), Some(vec![0, 1, 2, 5, 6, 7]));
        assert_eq!(kept.read(4, 2, 2).unwrap(), None, "another augmentation");
    }

    #[test]
    fn damaged_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path());
        kept.write(0, 1, &[0, 1, 9]).unwrap();
        let too_high = kept.read(0, 1, 1).unwrap_err().to_string();
        assert!(too_high.contains("damaged") && too_high.contains("000000-001.bin"), "{too_high}");
        std::fs::write(kept.path(0, 1), [0; 5]).unwrap();
        assert!(kept.read(0, 1, 1).is_err());
    }
}
