//! Pictures for the run's own perceptual network.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use vipra_data::clip::{ClipDataset, ClipLoader, LoaderState};
use vipra_train::StageError;
use vipra_train::perceptual::Pictures;

use super::batch::batch_of;
use crate::Result;

/// The first frames of the run's clips: a clip's others are much the same.
pub(super) struct FirstFrames {
    dataset: Arc<ClipDataset>,
    loader: ClipLoader,
    device: Device,
}

impl FirstFrames {
    pub(super) fn start(dataset: &Arc<ClipDataset>, device: &Device) -> Result<Self> {
        let loader = ClipLoader::start(dataset.clone(), LoaderState::default())?;
        Ok(Self { dataset: dataset.clone(), loader, device: device.clone() })
    }
}

impl Pictures for FirstFrames {
    fn next(&mut self, count: usize) -> Result<Tensor<4>, StageError> {
        let clips = (0..count).map(|_| self.loader.next_clip()).collect::<Result<Vec<_>, _>>()?;
        let frames = batch_of(&clips, &self.device).clips;
        clips.into_iter().for_each(|clip| self.loader.recycle(clip));
        Ok(frames.narrow(1, 0, 1).squeeze_dim(1))
    }

    fn state(&self) -> Value {
        serde_json::json!(self.loader.state())
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        self.loader = ClipLoader::start(self.dataset.clone(), serde_json::from_value(state)?)?;
        Ok(())
    }
}
