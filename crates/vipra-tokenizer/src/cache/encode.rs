//! Encoding of a dataset into a token cache.

use std::path::Path;

use vipra_data::source::{Source, fingerprint, read_frames};
use vipra_data::video::DecoderPool;

use super::info::{CacheInfo, CachedEpisode};
use super::write::{Begun, CacheWriter};
use crate::{Result, TrainedTokenizer};

/// Frames that are encoded together.
const ENCODE_BATCH: usize = 32;

/// Which frames to encode.
#[derive(Debug, Clone, Default)]
pub struct EncodeConfig {
    /// The camera, where there are several.
    pub camera: Option<String>,
    /// A split, or a range of episodes; all without.
    pub split: Option<String>,
}

/// Encodes every frame of a dataset's episodes into a folder, or continues an unfinished cache there. `progress` is called
/// with (frames done, all frames) of what was missing. Returns the number of frames that this call encoded.
///
/// # Errors
/// What is wrong with the dataset; [`Error::Cache`](crate::Error::Cache) if the folder holds other tokens.
pub fn encode_dataset(
    trained: &TrainedTokenizer,
    source: &dyn Source,
    folder: &Path,
    config: &EncodeConfig,
    progress: &dyn Fn(usize, usize),
) -> Result<usize> {
    let description = source.description();
    let camera = description.camera(config.camera.as_deref())?.to_owned();
    let positions = description.split(config.split.as_deref(), source.episodes())?;
    let episode = |at: &usize| {
        let episode = &source.episodes()[*at];
        CachedEpisode { number: episode.number, frames: episode.length, fps: episode.fps }
    };
    let info = CacheInfo {
        tokenizer: trained.fingerprint.clone(),
        dataset: fingerprint(source)?,
        camera: camera.clone(),
        image: trained.description.image,
        tokens_per_frame: trained.description.model.tokens_per_frame(),
        codes: trained.description.model.codes,
        episodes: positions.iter().map(episode).collect(),
    };
    let Begun::Unfinished(mut writer) = CacheWriter::begin(folder, info)? else { return Ok(0) };
    let missing = &positions[writer.done()..];
    let all: usize = missing.iter().map(|at| source.episodes()[*at].length).sum();
    let mut decoders = DecoderPool::new(2);
    let mut done = 0;
    for at in missing {
        let frames: Vec<usize> = (0..source.episodes()[*at].length).collect();
        let mut tokens = Vec::with_capacity(frames.len() * trained.description.model.tokens_per_frame());
        for batch in frames.chunks(ENCODE_BATCH) {
            let bytes = read_frames(source, *at, &camera, batch, trained.description.image, &mut decoders)?;
            tokens.extend(trained.encode_bytes(&bytes));
            done += batch.len();
            progress(done, all);
        }
        writer.push(&tokens)?;
    }
    writer.finish()?;
    Ok(done)
}
