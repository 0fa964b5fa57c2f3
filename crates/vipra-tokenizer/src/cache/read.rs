//! Reading of a token cache.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::info::CacheInfo;
use super::layout::{HEADER, PARTIAL_FILE, TOKEN, TOKENS_FILE, parse_header};
use crate::{Error, Result};

/// Tokens of a dataset's frames, mapped into memory: the operating system reads pages on demand and keeps them while there is
/// room.
#[derive(Debug)]
pub struct TokenCache {
    info: CacheInfo,
    tokens: Mmap,
    path: PathBuf,
    /// Number of the first frame in the file, and number of frames, by number of the episode.
    places: HashMap<usize, (usize, usize)>,
}

impl TokenCache {
    /// Opens a finished cache.
    ///
    /// # Errors
    /// [`Error::Cache`] if there is none, it is not finished, or its files are damaged.
    pub fn open(folder: &Path) -> Result<Self> {
        let info = CacheInfo::read(folder)?;
        let path = folder.join(TOKENS_FILE);
        if !path.exists() && folder.join(PARTIAL_FILE).exists() {
            return Err(Error::cache(
                folder,
                "these tokens are not finished; encoding the dataset again goes on with them",
            ));
        }
        let file = File::open(&path).map_err(Error::cache_io(&path))?;
        // SAFETY: a finished cache is never written to again. Truncating it while it is read would end this process, as
        // truncating the program itself would.
        let tokens = unsafe { Mmap::map(&file) }.map_err(Error::cache_io(&path))?;
        parse_header(&tokens, &info).map_err(|reason| Error::cache(&path, reason))?;
        let mut first = 0;
        let places = info.episodes.iter().map(|episode| {
            first += episode.frames;
            (episode.number, (first - episode.frames, episode.frames))
        });
        let places = places.collect();
        Ok(Self { info, tokens, path, places })
    }

    /// The description.
    pub fn info(&self) -> &CacheInfo {
        &self.info
    }

    /// Tokens of a frame, row by row.
    ///
    /// # Errors
    /// [`Error::Cache`] if there is no such episode or frame, or a token is not in the codebook.
    pub fn frame(&self, episode_number: usize, frame: usize) -> Result<&[u16]> {
        let fault = |reason: String| Error::cache(&self.path, reason);
        let (first, frames) =
            *self.places.get(&episode_number).ok_or_else(|| fault(format!("no tokens of episode {episode_number}")))?;
        if frame >= frames {
            return Err(fault(format!("frame {frame} of episode {episode_number}, which has {frames}")));
        }
        let length = self.info.tokens_per_frame * TOKEN;
        let start = HEADER + (first + frame) * length;
        let tokens = bytemuck::try_cast_slice::<u8, u16>(&self.tokens[start..start + length]);
        let tokens = tokens.map_err(|error| fault(error.to_string()))?;
        match tokens.iter().find(|token| usize::from(**token) >= self.info.codes) {
            Some(token) => Err(fault(format!(
                "episode {episode_number}, frame {frame}: token {token} of a codebook of {}",
                self.info.codes
            ))),
            None => Ok(tokens),
        }
    }
}
