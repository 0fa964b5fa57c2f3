//! The stream of a run's clips.

use std::sync::Arc;

use burn::tensor::Device;
use vipra_data::clip::{Clip, ClipDataset, ClipLoader, LoaderState};
use vipra_data::source::Skipped;

use super::batch::{Batch, batch_of};
use crate::Result;

/// An endless stream of clips, which can be resumed.
pub(super) struct ClipStream {
    dataset: Arc<ClipDataset>,
    loader: ClipLoader,
}

impl ClipStream {
    /// From the first clip on.
    pub(super) fn start(dataset: &Arc<ClipDataset>) -> Result<Self> {
        let loader = ClipLoader::start(dataset.clone(), LoaderState::default())?;
        Ok(Self { dataset: dataset.clone(), loader })
    }

    /// Resumes the stream at `state`; `skipped` was left out before.
    pub(super) fn resume(&mut self, state: LoaderState, skipped: Vec<Skipped>) -> Result<()> {
        self.loader = ClipLoader::resume(self.dataset.clone(), state, skipped)?;
        Ok(())
    }

    /// The next clips.
    ///
    /// # Errors
    /// What is wrong with a clip; that more episodes were left out than the configuration allows.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<Clip>> {
        (0..count).map(|_| Ok(self.loader.next_clip()?)).collect()
    }

    /// The next clips, as a batch.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn batch(&mut self, count: usize, device: &Device) -> Result<Batch> {
        let clips = self.take(count)?;
        let batch = batch_of(&clips, device);
        clips.into_iter().for_each(|clip| self.loader.recycle(clip));
        Ok(batch)
    }

    /// Where the next clip comes from.
    pub(super) fn state(&self) -> LoaderState {
        self.loader.state()
    }

    /// Episodes of which clips were left out, before and after the run was resumed; each is listed once.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        self.loader.skipped().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use vipra_data::{DataConfig, OnError};

    use super::super::made_data::partly_broken_frames;
    use super::*;

    #[test]
    fn what_was_left_out_is_told_once_and_counts_after_an_interruption_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = DataConfig { sources: vec![partly_broken_frames(folder.path(), 3)], ..DataConfig::default() };
        (data.on_error, data.clip.frames) = (OnError::Skip, 2);
        let gone_on = |skip_limit: usize, before: &[Skipped]| {
            let data = DataConfig { skip_limit, ..data.clone() };
            let mut stream = ClipStream::start(&Arc::new(ClipDataset::open(data, &|_, _| {}).unwrap())).unwrap();
            stream.resume(LoaderState::default(), before.to_vec()).unwrap();
            // More than an epoch's clips that can be read.
            stream.take(4).map(|_| stream.skipped())
        };
        let broken = gone_on(2, &[]).unwrap();
        assert_eq!(broken.len(), 2);
        assert_eq!(gone_on(2, &broken).unwrap(), broken);
        let gone = Skipped { what: "episode d".to_owned(), reason: "it was broken then".to_owned() };
        assert_eq!(gone_on(3, std::slice::from_ref(&gone)).unwrap().len(), 3);
        let message = gone_on(2, &[gone]).unwrap_err().to_string();
        assert!(message.contains("more than 2 episodes") && message.contains("it was broken then"), "{message}");
    }
}
