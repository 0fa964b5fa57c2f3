//! Features of an episode's frames, each computed once.

use std::collections::VecDeque;
use std::ops::Range;

use burn::tensor::{Device, Tensor};
use vipra_data::picture::ImageConfig;
use vipra_data::source::Source;
use vipra_data::video::DecoderPool;

use crate::frames::read_frames;
use crate::{Laq, Result};

/// Frames that the spatial encoder sees at a time.
const ENCODE_BATCH: usize = 32;

/// A window of features that slides along an episode: it drops the frames behind it and computes new ones.
pub(super) struct FeatureWindow<'a> {
    model: &'a Laq,
    image: ImageConfig,
    source: &'a dyn Source,
    episode: usize,
    camera: &'a str,
    device: Device,
    /// Number of the first frame kept.
    first: usize,
    /// `[patches, dim]` each, in order of the frames.
    kept: VecDeque<Tensor<2>>,
    /// Frames encoded so far, over all calls.
    pub(super) encoded: usize,
}

impl<'a> FeatureWindow<'a> {
    pub(super) fn new(
        model: &'a Laq,
        image: ImageConfig,
        source: &'a dyn Source,
        episode: usize,
        camera: &'a str,
        device: &Device,
    ) -> Self {
        let (device, kept) = (device.clone(), VecDeque::new());
        Self { model, image, source, episode, camera, device, first: 0, kept, encoded: 0 }
    }

    /// Slides forward until exactly `frames` are kept. It cannot slide back.
    pub(super) fn slide(&mut self, frames: Range<usize>, decoders: &mut DecoderPool) -> Result<()> {
        while self.first < frames.start && self.kept.pop_front().is_some() {
            self.first += 1;
        }
        self.first = frames.start;
        let known = self.first + self.kept.len();
        let missing: Vec<usize> = (known..frames.end).collect();
        for batch in missing.chunks(ENCODE_BATCH) {
            let pictures = read_frames(self.source, self.episode, self.camera, batch, self.image, decoders)?;
            let pictures = pictures.to_device(&self.device);
            let features = self.model.encode_frames(pictures);
            self.encoded += batch.len();
            self.kept.extend((0..batch.len()).map(|at| features.clone().narrow(0, at, 1).squeeze_dim(0)));
        }
        Ok(())
    }

    /// Features of kept frames, in any order and possibly repeated.
    ///
    /// # Shapes
    /// → `[1, frames, patches, dim]`
    pub(super) fn gather(&self, frames: &[usize]) -> Tensor<4> {
        let of = |frame: &usize| self.kept[frame - self.first].clone().unsqueeze_dim::<3>(0);
        Tensor::cat(frames.iter().map(of).collect(), 0).unsqueeze_dim(0)
    }
}
