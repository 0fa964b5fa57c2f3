//! A bounded number of open videos.

use std::path::{Path, PathBuf};

use super::VideoDecoder;
use crate::error::Result;

/// Open decoders, the least recently used of which is closed when there are too many.
pub struct DecoderPool {
    limit: usize,
    /// Least recently used first.
    open: Vec<(PathBuf, VideoDecoder)>,
}

impl DecoderPool {
    /// A pool of at most `limit` (at least one) open videos.
    pub fn new(limit: usize) -> Self {
        DecoderPool { limit: limit.max(1), open: Vec::new() }
    }

    /// The decoder of `path`, opened if need be.
    ///
    /// # Errors
    /// Those of [`VideoDecoder::open`].
    pub fn get(&mut self, path: &Path) -> Result<&mut VideoDecoder> {
        let entry = match self.open.iter().position(|(open, _)| open == path) {
            Some(at) => self.open.remove(at),
            None => {
                if self.open.len() == self.limit {
                    self.open.remove(0);
                }
                (path.to_path_buf(), VideoDecoder::open(path)?)
            }
        };
        self.open.push(entry);
        let last = self.open.len() - 1;
        Ok(&mut self.open[last].1)
    }

    /// Closes the decoder of `path`, whose state an error may have spoilt.
    pub fn close(&mut self, path: &Path) {
        self.open.retain(|(open, _)| open != path);
    }

    /// The number of open videos.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }
}
