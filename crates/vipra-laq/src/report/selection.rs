//! The episodes of a dataset that are measured.

use burn::tensor::Tensor;
use vipra_data::picture::ImageConfig;
use vipra_data::source::Source;
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, SourceConfig};

use crate::Result;
use crate::frames::read_frames;

/// Some episodes of a dataset.
pub(super) struct Selection {
    pub(super) source: Box<dyn Source>,
    pub(super) camera: String,
    pub(super) positions: Vec<usize>,
}

impl Selection {
    /// The episodes that the configuration names, opened as in training.
    ///
    /// # Errors
    /// What keeps the dataset from being opened.
    pub(super) fn open(config: &SourceConfig, data: &DataConfig) -> Result<Self> {
        let source = data.open(config, &|_, _| {})?;
        let camera = source.description().camera(config.camera.as_deref())?.to_owned();
        let positions = source.description().split(config.split.as_deref(), source.episodes())?;
        Ok(Self { source, camera, positions })
    }

    /// Names of a feature's dimensions; None if there is no such feature, or it is not numeric.
    pub(super) fn dimensions(&self, feature: &str) -> Option<Vec<String>> {
        let feature = self.source.description().features.get(feature)?;
        feature.dtype.is_numeric().then(|| feature.dimension_names())
    }

    /// Frames of the episode at a position of the source; their numbers ascend, and the last may repeat.
    ///
    /// # Shapes
    /// → `[1, frames, 3, height, width]` in [0, 1]
    ///
    /// # Errors
    /// What is wrong with the episode's video.
    pub(super) fn clip(
        &self,
        at: usize,
        frames: &[usize],
        image: ImageConfig,
        decoders: &mut DecoderPool,
    ) -> Result<Tensor<5>> {
        Ok(read_frames(self.source.as_ref(), at, &self.camera, frames, image, decoders)?.unsqueeze_dim(0))
    }
}

/// Number of episodes.
pub(super) fn count(selections: &[Selection]) -> usize {
    selections.iter().map(|selection| selection.positions.len()).sum()
}

/// Keeps at most about `max` episodes, spread evenly.
pub(super) fn thin_out(selections: &mut [Selection], max: usize) {
    let one_in = count(selections).div_ceil(max.max(1)).max(1);
    for selection in selections {
        selection.positions = selection.positions.iter().copied().step_by(one_in).collect();
    }
}
