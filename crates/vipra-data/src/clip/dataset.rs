//! Opens the sources of a configuration and reads clips from them.

use super::sampler::{Purpose, random};
use super::{Clip, ClipAddress, ClipSampler};
use crate::config::{DataConfig, OnError};
use crate::error::{Error, Result};
use crate::picture::{Augmentation, Resizer};
use crate::source::{Skipped, Source};
use crate::video::DecoderPool;

/// All sources of a configuration, open, and the order of their clips.
pub struct ClipDataset {
    config: DataConfig,
    sources: Vec<OpenSource>,
    sampler: ClipSampler,
    /// Episodes in which no clip can begin.
    too_short: Vec<Skipped>,
}

struct OpenSource {
    source: Box<dyn Source>,
    camera: String,
}

/// What a thread needs to read clips.
pub struct ClipReader {
    decoders: DecoderPool,
    resizer: Resizer,
}

impl ClipDataset {
    /// Opens every source. `progress` is called with (done, all) while files are looked at.
    ///
    /// # Errors
    /// Whatever keeps a source from being opened, and [`Error::Invalid`] if no clip can be made.
    pub fn open(config: DataConfig, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Self> {
        if config.sources.is_empty() {
            return Err(Error::Invalid("no source of data: name one under `data.sources`".into()));
        }
        if let Some((key, reason)) = config.faults().into_iter().next() {
            return Err(Error::Invalid(format!("data.{key}: {reason}")));
        }
        let mut sources = Vec::new();
        let (mut chosen, mut too_short) = (Vec::new(), Vec::new());
        for wanted in &config.sources {
            let source = config.open(wanted, progress)?;
            let camera = source.description().camera(wanted.camera.as_deref())?.to_owned();
            let positions = source.description().split(wanted.split.as_deref(), source.episodes())?;
            let short = positions.iter().map(|&at| &source.episodes()[at]).filter(|e| !config.clip.fits(e));
            too_short.extend(short.map(|episode| Skipped {
                what: format!("episode {} of {}", episode.name, source.description().root.display()),
                reason: format!("{} frames are too few for a clip", episode.length),
            }));
            if source.description().unfinished {
                tracing::warn!("the recording was not finished: {}", source.description().root.display());
            }
            chosen.push((wanted.weight, positions));
            sources.push(OpenSource { source, camera });
        }
        let weighted: Vec<_> = chosen
            .iter()
            .zip(&sources)
            .map(|((weight, positions), open)| {
                let episodes = open.source.episodes();
                (*weight, positions.iter().map(|&at| (at, &episodes[at])).collect())
            })
            .collect();
        let sampler = ClipSampler::new(config.seed, &weighted, &config.clip)?;
        Ok(ClipDataset { config, sources, sampler, too_short })
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &DataConfig {
        &self.config
    }

    /// Which clip comes when.
    pub fn sampler(&self) -> &ClipSampler {
        &self.sampler
    }

    /// The source at a position of the configuration.
    pub fn source(&self, at: usize) -> &dyn Source {
        self.sources[at].source.as_ref()
    }

    /// What was skipped when the sources were opened.
    pub fn skipped(&self) -> Vec<Skipped> {
        let broken = self.sources.iter().flat_map(|open| open.source.description().skipped.clone());
        broken.chain(self.too_short.iter().cloned()).collect()
    }

    /// Whether broken clips are skipped.
    pub fn skips_errors(&self) -> bool {
        self.config.on_error == OnError::Skip
    }

    /// A reader for one of `readers` threads, which share the limit of open decoders.
    pub fn reader(&self, readers: usize) -> ClipReader {
        let decoders = self.config.loader.open_decoders / readers.max(1);
        ClipReader { decoders: DecoderPool::new(decoders), resizer: Resizer::new(self.config.image) }
    }

    /// Reads the clip at `address` into `clip`, with the augmentation of (seed, epoch, index).
    ///
    /// # Errors
    /// Everything that can be wrong with the episode.
    pub fn read(
        &self,
        address: ClipAddress,
        (epoch, index): (u64, u64),
        reader: &mut ClipReader,
        clip: &mut Clip,
    ) -> Result<()> {
        let augmentation =
            self.config.augmentation.draw(&mut random(self.config.seed, Purpose::Augmentation, epoch, index));
        self.read_with(address, &augmentation, reader, clip)?;
        (clip.epoch, clip.index) = (epoch, index);
        Ok(())
    }

    /// Reads the clip at `address` into `clip`, with a given augmentation.
    ///
    /// # Errors
    /// Everything that can be wrong with the episode.
    pub fn read_with(
        &self,
        address: ClipAddress,
        augmentation: &Augmentation,
        reader: &mut ClipReader,
        clip: &mut Clip,
    ) -> Result<()> {
        let open = self.sources.get(address.source).ok_or_else(|| {
            Error::Invalid(format!("source {} was asked for, there are {}", address.source, self.sources.len()))
        })?;
        let episode =
            crate::source::episode_at(open.source.episodes(), address.episode, &open.source.description().root)?;
        let mut times = clip_times(address.start, episode.fps, episode.last_frame_secs(), &self.config.clip);
        let real = times.len();
        if real < self.config.clip.frames {
            times.push(episode.last_frame_secs());
        }

        let (width, height) = (self.config.image.width, self.config.image.height);
        let size = width * height * 3;
        clip.address = address;
        (clip.width, clip.height) = (width, height);
        clip.frames.resize(size * self.config.clip.frames, 0);
        clip.mask.clear();
        clip.mask.extend((0..self.config.clip.frames).map(|at| at < real));

        let ClipReader { decoders, resizer } = reader;
        open.source.frames(address.episode, &open.camera, &times, decoders, &mut |nth, frame| {
            resizer.resize(frame, augmentation.region, &mut clip.frames[nth * size..(nth + 1) * size])
        })?;
        let filled = times.len() * size;
        augmentation.recolor(&mut clip.frames[..filled]);
        for at in times.len()..self.config.clip.frames {
            clip.frames.copy_within(filled - size..filled, at * size);
        }
        Ok(())
    }
}

/// The times of the clip's real frames, on the source's grid of frames; at least one.
fn clip_times(start: usize, fps: f64, last_secs: f64, clip: &super::ClipConfig) -> Vec<f64> {
    (0..clip.frames)
        .map(|at| ((start as f64 / fps + at as f64 * clip.interval_secs) * fps).round() / fps)
        .enumerate()
        .take_while(|(at, secs)| *at == 0 || *secs <= last_secs + 1e-9)
        .map(|(_, secs)| secs)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::ClipConfig;

    #[test]
    fn times_are_resampled_to_the_rate_and_end_with_the_episode() {
        let clip = ClipConfig { frames: 4, interval_secs: 0.2, min_real_frames: 1 };
        let close = |times: Vec<f64>, expected: &[f64]| {
            assert_eq!(times.len(), expected.len(), "{times:?}");
            times.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{times:?}"));
        };
        close(clip_times(0, 5.0, 10.0, &clip), &[0.0, 0.2, 0.4, 0.6]);
        close(clip_times(1, 30.0, 10.0, &clip), &[1.0 / 30.0, 7.0 / 30.0, 13.0 / 30.0, 19.0 / 30.0]);
        close(clip_times(3, 5.0, 0.8, &clip), &[0.6, 0.8]);
        close(clip_times(4, 5.0, 0.8, &clip), &[0.8]);
    }
}
