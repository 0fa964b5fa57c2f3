//! Single frames as data: the stream of a run's frames, and the held-out ones.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::clip::{Clip, ClipConfig, ClipDataset, ClipLoader, LoaderState};
use vipra_data::picture::{AugmentConfig, ImageConfig};
use vipra_data::source::Skipped;
use vipra_nn::pixels;
use vipra_train::StageError;
use vipra_train::perceptual::Pictures;

use crate::Result;

/// The same data as clips of one frame, at the tokenizer's size.
pub fn frame_data(data: &DataConfig, image: ImageConfig) -> DataConfig {
    let clip = ClipConfig { frames: 1, min_real_frames: 1, ..data.clip };
    DataConfig { clip, image, ..data.clone() }
}

/// A batch of frames, those of a clip next to one another.
///
/// # Shapes
/// → `[frames, 3, height, width]` in [0, 1]
pub fn batch_of(clips: &[Clip], device: &Device) -> Tensor<4> {
    let (height, width) = clips.first().map_or((0, 0), |clip| (clip.height, clip.width));
    let bytes: Vec<u8> = clips.iter().flat_map(|clip| clip.frames.iter().copied()).collect();
    let frames = clips.iter().map(|clip| clip.mask.len()).sum();
    pixels::from_bytes(&bytes, [frames, height, width], device)
}

/// The frames of every validation, without augmentation; none if nothing is held out.
///
/// # Errors
/// What is wrong with the data.
pub fn held_out_frames(
    data: &DataConfig,
    image: ImageConfig,
    count: usize,
    opening: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Clip>> {
    if data.validation.is_empty() {
        return Ok(Vec::new());
    }
    let held_out =
        DataConfig { sources: data.validation.clone(), augmentation: AugmentConfig::default(), ..data.clone() };
    let dataset = Arc::new(ClipDataset::open(frame_data(&held_out, image), opening)?);
    let count = count.min(dataset.sampler().clips_per_epoch() as usize);
    FrameStream::start(&dataset, &Device::flex())?.clips(count)
}

/// An endless stream of frames, which can be resumed.
pub(super) struct FrameStream {
    dataset: Arc<ClipDataset>,
    loader: ClipLoader,
    device: Device,
}

impl FrameStream {
    /// From the first frame on.
    pub(super) fn start(dataset: &Arc<ClipDataset>, device: &Device) -> Result<Self> {
        let loader = ClipLoader::start(dataset.clone(), LoaderState::default())?;
        Ok(Self { dataset: dataset.clone(), loader, device: device.clone() })
    }

    /// Resumes the stream at `state`; `skipped` was left out before.
    pub(super) fn resume(&mut self, state: LoaderState, skipped: Vec<Skipped>) -> Result<()> {
        self.loader = ClipLoader::resume(self.dataset.clone(), state, skipped)?;
        Ok(())
    }

    /// The dataset of the frames.
    pub(super) fn dataset(&self) -> &Arc<ClipDataset> {
        &self.dataset
    }

    /// Where the next frame comes from.
    pub(super) fn place(&self) -> LoaderState {
        self.loader.state()
    }

    /// The next frames, as bytes.
    ///
    /// # Errors
    /// What is wrong with a frame; that more episodes were left out than the configuration allows.
    pub(super) fn clips(&mut self, count: usize) -> Result<Vec<Clip>> {
        (0..count).map(|_| Ok(self.loader.next_clip()?)).collect()
    }

    /// Episodes of which frames were left out, before and after the run was resumed; each is listed once.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        self.loader.skipped().to_vec()
    }
}

impl Pictures for FrameStream {
    fn next(&mut self, count: usize) -> Result<Tensor<4>, StageError> {
        let clips = self.clips(count)?;
        let frames = batch_of(&clips, &self.device);
        clips.into_iter().for_each(|clip| self.loader.recycle(clip));
        Ok(frames)
    }

    fn state(&self) -> Value {
        serde_json::json!(self.place())
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        Ok(self.resume(serde_json::from_value(state)?, Vec::new())?)
    }
}

#[cfg(test)]
mod tests {
    use vipra_data::OnError;

    use super::super::made_data::partly_broken_frames;
    use super::*;

    #[test]
    fn what_was_left_out_is_told_once_and_counts_after_an_interruption_too() {
        let folder = tempfile::tempdir().unwrap();
        let sources = vec![partly_broken_frames(folder.path(), 3)];
        let data = DataConfig { sources, on_error: OnError::Skip, ..DataConfig::default() };
        let data = frame_data(&data, data.image);
        let gone_on = |skip_limit: usize, before: &[Skipped]| {
            let data = DataConfig { skip_limit, ..data.clone() };
            let dataset = Arc::new(ClipDataset::open(data, &|_, _| {}).unwrap());
            let mut stream = FrameStream::start(&dataset, &Device::flex()).unwrap();
            stream.resume(LoaderState::default(), before.to_vec()).unwrap();
            // More than an epoch's frames that can be read.
            stream.clips(7).map(|_| stream.skipped())
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
