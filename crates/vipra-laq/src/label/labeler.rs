//! Labels of episodes: the codes that follow each frame.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use vipra_data::labels::{EpisodeLabels, LabelStore, LabelsInfo, Shard};
use vipra_data::source::{Source, fingerprint};
use vipra_data::video::DecoderPool;

use super::features::FeatureWindow;
use crate::{Error, Result, TrainedLaq};

/// Frames of a window before the labelled one (H_P in the reference, 3).
const PAST: usize = 1;
/// Windows whose codes are inferred at a time.
const WINDOW_BATCH: usize = 16;

/// Which episodes to label, and how far ahead.
#[derive(Debug, Clone)]
pub struct LabelConfig {
    /// Transitions that follow a frame, H (14 in the release, reference 3).
    pub horizon: usize,
    /// The camera, where there are several.
    pub camera: Option<String>,
    /// A split, or a range of episodes; all without.
    pub split: Option<String>,
    /// The share of the episodes that this process labels.
    pub shard: Shard,
}

/// Labels the episodes of one dataset.
pub struct Labeler<'a> {
    trained: &'a TrainedLaq,
    horizon: usize,
    device: Device,
    decoders: DecoderPool,
    /// Frames that went through the spatial encoder, over all episodes.
    encoded: usize,
}

impl<'a> Labeler<'a> {
    /// A labeler that gives each frame the codes of `horizon` transitions.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a horizon of 0, or codes that do not fit in a byte.
    pub fn new(trained: &'a TrainedLaq, horizon: usize) -> Result<Self> {
        let codes = trained.description.model.quantizer.codes;
        if horizon == 0 || codes > 256 {
            return Err(Error::Invalid(format!(
                "labels need at least one transition (there are {horizon}) and at most 256 codes (there are {codes})"
            )));
        }
        let device = vipra_nn::device::of(&trained.model);
        Ok(Self { trained, horizon, device, decoders: DecoderPool::new(2), encoded: 0 })
    }

    /// Labels one episode, by its position in the source.
    ///
    /// # Errors
    /// What is wrong with its frames.
    pub fn episode(&mut self, source: &dyn Source, at: usize, camera: &str) -> Result<EpisodeLabels> {
        let episode = &source.episodes()[at];
        let model = &self.trained.model;
        let code_length = self.trained.description.model.code_length;
        let image = self.trained.description.image;
        let mut features = FeatureWindow::new(model, image, source, at, camera, &self.device);
        let mut codes = Vec::with_capacity(episode.length * self.horizon * code_length);
        let frames: Vec<usize> = (0..episode.length).collect();
        for labelled in frames.chunks(WINDOW_BATCH) {
            let windows: Vec<Vec<usize>> = labelled
                .iter()
                .map(|frame| horizon_window(*frame, episode.length, episode.fps, self.interval_secs(), self.horizon))
                .collect();
            let seen = windows.iter().flatten();
            let (first, last) = seen.fold((usize::MAX, 0), |(low, high), at| (low.min(*at), high.max(*at)));
            features.slide(first..last + 1, &mut self.decoders)?;
            let batch = Tensor::cat(windows.iter().map(|window| features.gather(window)).collect(), 0);
            // [windows, PAST + horizon, code_length]
            let inferred = model.infer_from_features(batch).codes.narrow(1, PAST, self.horizon);
            codes.extend(inferred.into_data().iter::<i64>().map(|code| code as u8));
        }
        self.encoded += features.encoded;
        Ok(EpisodeLabels { episode: episode.number, fps: episode.fps, codes })
    }

    /// Frames that went through the spatial encoder so far.
    pub fn encoded_frames(&self) -> usize {
        self.encoded
    }

    fn interval_secs(&self) -> f64 {
        self.trained.description.clip.interval_secs
    }
}

/// Frame indices of the labelling window: one interval before `frame`, `frame`, and `horizon` after it, clamped to the
/// episode.
pub fn horizon_window(frame: usize, length: usize, fps: f64, interval_secs: f64, horizon: usize) -> Vec<usize> {
    let last = length.saturating_sub(1) as f64;
    (0..=PAST + horizon)
        .map(|at| {
            let offset = (at as f64 - PAST as f64) * interval_secs * fps;
            (frame as f64 + offset).round().clamp(0.0, last) as usize
        })
        .collect()
}

/// Writes labels of a dataset into a folder, or continues labels that are there. `progress` is called with (frames done, all
/// frames) of the shard. Returns the number of frames that this call labelled.
///
/// # Errors
/// What is wrong with the dataset, or labels of another kind in the folder.
pub fn label_dataset(
    trained: &TrainedLaq,
    source: &dyn Source,
    folder: &Path,
    config: &LabelConfig,
    progress: &dyn Fn(usize, usize),
) -> Result<usize> {
    let description = source.description();
    let camera = description.camera(config.camera.as_deref())?.to_owned();
    let positions = description.split(config.split.as_deref(), source.episodes())?;
    let info = LabelsInfo {
        model: trained.fingerprint.clone(),
        dataset: fingerprint(source)?,
        camera: camera.clone(),
        episodes: positions.iter().map(|at| source.episodes()[*at].number).collect(),
        horizon: config.horizon,
        interval_secs: trained.description.clip.interval_secs,
        code_length: trained.description.model.code_length,
        codes: trained.description.model.quantizer.codes,
    };
    let mut labeler = Labeler::new(trained, config.horizon)?;
    let store = LabelStore::create(folder, info)?;
    let missing = store.missing(config.shard);
    let length = |run: &std::ops::Range<usize>| -> usize {
        positions[run.clone()].iter().map(|at| source.episodes()[*at].length).sum()
    };
    let all: usize = missing.iter().map(length).sum();
    let mut done = 0;
    for run in &missing {
        let mut labels = Vec::with_capacity(run.len());
        for at in &positions[run.clone()] {
            labels.push(labeler.episode(source, *at, &camera)?);
            done += source.episodes()[*at].length;
            progress(done, all);
        }
        store.write(run, &labels)?;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::horizon_window;

    #[test]
    fn windows_repeat_the_ends_and_keep_time() {
        assert_eq!(horizon_window(0, 4, 5.0, 0.2, 4), [0, 0, 1, 2, 3, 3]);
        assert_eq!(horizon_window(2, 4, 5.0, 0.2, 2), [1, 2, 3, 3]);
        // 30 frames a second, 0.2 s apart: every sixth frame.
        assert_eq!(horizon_window(7, 100, 30.0, 0.2, 2), [1, 7, 13, 19]);
        assert_eq!(horizon_window(0, 1, 5.0, 0.2, 2), [0, 0, 0, 0]);
    }
}
