//! Pictures on which the run's own perceptual network is trained.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use vipra_data::clip::ClipDataset;
use vipra_train::StageError;
use vipra_train::perceptual::Pictures;

use super::clips::ClipStream;
use crate::Result;

/// The first frames of the run's clips; the other frames of a clip look much the same.
pub(super) struct FirstFrames {
    clips: ClipStream,
    device: Device,
}

impl FirstFrames {
    pub(super) fn start(dataset: &Arc<ClipDataset>, device: &Device) -> Result<Self> {
        Ok(Self { clips: ClipStream::start(dataset)?, device: device.clone() })
    }
}

impl Pictures for FirstFrames {
    fn next(&mut self, count: usize) -> Result<Tensor<4>, StageError> {
        let frames = self.clips.batch(count, &self.device)?.clips;
        Ok(frames.narrow(1, 0, 1).squeeze_dim(1))
    }

    fn state(&self) -> Value {
        serde_json::json!(self.clips.state())
    }

    fn restore(&mut self, state: Value) -> Result<(), StageError> {
        Ok(self.clips.resume(serde_json::from_value(state)?, Vec::new())?)
    }
}
