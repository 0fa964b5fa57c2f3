//! Single frames as training data.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use vipra_data::DataConfig;
use vipra_data::clip::{Clip, ClipConfig, ClipDataset, ClipLoader, LoaderState};
use vipra_data::picture::{AugmentConfig, ImageConfig};
use vipra_nn::pixels;
use vipra_train::StageError;
use vipra_train::perceptual::Pictures;

use crate::Result;

/// The same data as clips of one frame, at the tokenizer's size.
pub fn frame_data(data: &DataConfig, image: ImageConfig) -> DataConfig {
    let clip = ClipConfig { frames: 1, min_real_frames: 1, ..data.clip };
    DataConfig { clip, image, ..data.clone() }
}

/// Frames side by side, those of a clip next to one another.
///
/// # Shapes
/// → `[frames, 3, height, width]` in [0, 1]
pub fn batch_of(clips: &[Clip], device: &Device) -> Tensor<4> {
    let (height, width) = clips.first().map_or((0, 0), |clip| (clip.height, clip.width));
    let bytes: Vec<u8> = clips.iter().flat_map(|clip| clip.frames.iter().copied()).collect();
    let frames = clips.iter().map(|clip| clip.mask.len()).sum();
    pixels::from_bytes(&bytes, [frames, height, width], device)
}

/// The same frames for every validation, without augmentation; none if nothing is held out.
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

/// An endless stream of frames.
pub(super) struct FrameStream {
    dataset: Arc<ClipDataset>,
    pub(super) loader: ClipLoader,
    device: Device,
}

impl FrameStream {
    /// From the first frame on.
    pub(super) fn start(dataset: &Arc<ClipDataset>, device: &Device) -> Result<Self> {
        let loader = ClipLoader::start(dataset.clone(), LoaderState::default())?;
        Ok(Self { dataset: dataset.clone(), loader, device: device.clone() })
    }

    /// Where the frames come from.
    pub(super) fn dataset(&self) -> &Arc<ClipDataset> {
        &self.dataset
    }

    /// The next frames, as bytes.
    pub(super) fn clips(&mut self, count: usize) -> Result<Vec<Clip>> {
        (0..count).map(|_| Ok(self.loader.next_clip()?)).collect()
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
        serde_json::json!(self.loader.state())
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        self.loader = ClipLoader::start(self.dataset.clone(), serde_json::from_value(state)?)?;
        Ok(())
    }
}
