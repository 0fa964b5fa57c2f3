//! A clip named on the command line: a video, or an episode of a dataset, from a time on.

use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Tensor;
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, OnError, Source, SourceConfig};
use vipra_laq::Description;
use vipra_laq::frames::read_frames;

use crate::cli::TransferArgs;
use crate::commands::datasets::{find_episode, open_dataset};

/// A clip that is open; a video is a dataset of one episode.
pub struct NamedClip {
    source: Box<dyn Source>,
    /// Position of the episode.
    episode: usize,
    camera: String,
    start_secs: f64,
}

impl NamedClip {
    /// Opens VIDEO or DATASET#EPISODE, either with @SECONDS behind it.
    ///
    /// # Errors
    /// What is wrong with the name, or with what it names.
    pub fn open(text: &str, args: &TransferArgs, tolerance_secs: f64) -> Result<Self> {
        let timed = text.rsplit_once('@').and_then(|(place, secs)| Some((place, secs.parse::<f64>().ok()?)));
        let (place, start_secs) = timed.unwrap_or((text, 0.0));
        let (source, at) = open_episode(place, args.fps, tolerance_secs)?;
        let camera = source.description().camera(args.camera.as_deref())?.to_owned();
        let episode = &source.episodes()[at];
        let length_secs = episode.length as f64 / episode.fps;
        anyhow::ensure!(
            (0.0..length_secs).contains(&start_secs),
            "the clip is to begin at {start_secs} s, and {} lasts {length_secs:.1} s: {text}",
            episode.name
        );
        Ok(Self { source, episode: at, camera, start_secs })
    }

    /// The folder of the dataset, or the video.
    pub fn dataset(&self) -> &Path {
        &self.source.description().root
    }

    /// Reads `frames` frames, as the model wants them; past the end the last one repeats.
    ///
    /// # Shapes
    /// → `[frames, 3, height, width]`
    pub fn read(&self, frames: usize, description: &Description) -> Result<Tensor<4>> {
        let episode = &self.source.episodes()[self.episode];
        let frame_at = |index: usize| {
            let secs = self.start_secs + index as f64 * description.clip.interval_secs;
            ((secs * episode.fps).round() as usize).min(episode.length.saturating_sub(1))
        };
        let wanted: Vec<usize> = (0..frames).map(frame_at).collect();
        let mut decoders = DecoderPool::new(1);
        Ok(read_frames(self.source.as_ref(), self.episode, &self.camera, &wanted, description.image, &mut decoders)?)
    }
}

/// Opens the dataset, and finds the position of the episode in it.
fn open_episode(place: &str, fps: Option<f64>, tolerance_secs: f64) -> Result<(Box<dyn Source>, usize)> {
    let open = |path: &str, on_error| {
        let data = DataConfig { tolerance_secs, on_error, ..DataConfig::default() };
        open_dataset(&data, &SourceConfig { fps, ..SourceConfig::new(path) })
    };
    if Path::new(place).is_file() {
        return Ok((open(place, OnError::Stop)?, 0));
    }
    let (dataset, name) =
        place.rsplit_once('#').with_context(|| format!("neither a video nor DATASET#EPISODE: {place}"))?;
    // Other episodes may be broken.
    let source = open(dataset, OnError::Skip)?;
    let at = find_episode(source.as_ref(), name)?;
    Ok((source, at))
}
