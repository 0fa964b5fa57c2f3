//! Samples from token caches and labels.

use std::collections::{BTreeSet, HashMap};

use vipra_data::DataConfig;
use vipra_data::clip::{ClipAddress, ClipConfig, ClipSampler};
use vipra_data::source::{Episode, Skipped};
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};

use super::config::PretrainConfig;
use super::source::{Prepared, TokenSource};
use crate::frames::{CameraSource, FrameAugmentation, FrameTokens, past_frame};
use crate::layout::{Content, Sample, SampleLayout};
use crate::model::Vocabularies;
use crate::prompt::encode_instructions;
use crate::{Error, Result};

/// Datasets whose samples are learned from or measured on.
pub(super) struct Samples {
    sources: Vec<TokenSource>,
    sampler: ClipSampler,
    shape: SampleShape,
    layout: SampleLayout,
    vocabularies: Vocabularies,
    instructions: HashMap<String, Vec<u32>>,
}

/// Which frames and codes make a sample.
#[derive(Debug, Clone, Copy)]
struct SampleShape {
    interval_secs: f64,
    horizon: usize,
    transitions: usize,
    row_length: usize,
}

/// Tokens of one moment, before they are put in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    /// Tokens of the frame one interval ago, and of the current one.
    pub seen: [&'a [u16]; 2],
    /// Tokens of the frame H steps ahead.
    pub ahead: &'a [u16],
    /// Codes of the transitions.
    pub latent_actions: &'a [u8],
}

impl Samples {
    /// Opens datasets, caches and labels, and checks that they belong together.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for labels with another horizon, interval or number of codes, or a cache of another dataset;
    /// what keeps a file from being opened.
    pub fn open(
        prepared: &[Prepared],
        data: &DataConfig,
        config: &PretrainConfig,
        (layout, vocabularies): (SampleLayout, Vocabularies),
        text: &TextTokenizer,
    ) -> Result<Self> {
        let mut sources = Vec::new();
        for one in prepared {
            sources.push(TokenSource::open(one, data, config, &layout)?);
        }
        let weighted = prepared.iter().zip(&sources).map(|(prepared, open)| {
            let episodes = open.source.episodes();
            let chosen = open.source.description().split(prepared.source.split.as_deref(), episodes)?;
            Ok((prepared.source.weight, chosen.into_iter().map(|at| (at, &episodes[at])).collect()))
        });
        let weighted: Vec<(f64, Vec<(usize, &Episode)>)> = weighted.collect::<Result<_>>()?;
        for ((source, (_, episodes)), prepared) in sources.iter().zip(&weighted).zip(prepared) {
            source.check_coverage(episodes, prepared)?;
        }
        let clip = ClipConfig { frames: config.horizon + 1, ..data.clip };
        let clip = ClipConfig { min_real_frames: clip.min_real_frames.min(clip.frames), ..clip };
        let sampler = ClipSampler::new(data.seed, &weighted, &clip)?;
        let places = weighted.iter().enumerate();
        let weighted_episodes: Vec<(usize, usize)> =
            places.flat_map(|(source, (_, episodes))| episodes.iter().map(move |(at, _)| (source, *at))).collect();
        let episodes = weighted.iter().flat_map(|(_, episodes)| episodes.iter().map(|(_, episode)| *episode));
        let tasks: BTreeSet<&str> = episodes.filter_map(|episode| episode.instruction()).collect();
        let instructions = encode_instructions(tasks, text, config.sequence.instruction_tokens)?;
        let shape = SampleShape {
            interval_secs: data.clip.interval_secs,
            horizon: config.horizon,
            transitions: config.predicted_transitions(),
            row_length: config.sequence.length,
        };
        let samples = Self { sources, sampler, shape, layout, vocabularies, instructions };
        samples.check_longest(&weighted_episodes)?;
        Ok(samples)
    }

    /// Whether a sample with the longest instruction fits into a row: all else of samples is equally long.
    fn check_longest(&self, episodes: &[(usize, usize)]) -> Result<()> {
        let tokens = |place: &&(usize, usize)| {
            let instruction = self.sources[place.0].source.episodes()[place.1].instruction();
            instruction.and_then(|instruction| self.instructions.get(instruction)).map_or(0, Vec::len)
        };
        match episodes.iter().max_by_key(tokens) {
            Some((source, episode)) => {
                self.sample(ClipAddress { source: *source, episode: *episode, start: 0 }).map(|_| ())
            }
            None => Ok(()),
        }
    }

    /// Which sample comes when.
    pub fn sampler(&self) -> &ClipSampler {
        &self.sampler
    }

    /// What was left out of the datasets because it is broken.
    pub fn skipped(&self) -> Vec<Skipped> {
        self.sources.iter().flat_map(|source| source.source.description().skipped.clone()).collect()
    }

    /// The layout of a sample.
    pub fn layout(&self) -> &SampleLayout {
        &self.layout
    }

    /// Tokens of the sample at an address.
    ///
    /// # Errors
    /// [`Error::TooLong`] if it does not fit into a row; [`Error::Vocabulary`] for an id that there is not; a frame or label
    /// that is missing.
    pub fn sample(&self, address: ClipAddress) -> Result<Sample> {
        self.sample_of(address, &self.moment(address)?)
    }

    /// Tokens of the sample at an address, under a random augmentation.
    ///
    /// # Errors
    /// As [`Samples::sample`]; frames that cannot be read.
    pub(super) fn augmented_sample(
        &self,
        address: ClipAddress,
        nth: u64,
        tokenizer: &TrainedTokenizer,
        frames: &mut FrameTokens,
    ) -> Result<Sample> {
        let open = &self.sources[address.source];
        let camera = open.tokens.info().camera.as_str();
        let camera = CameraSource { number: address.source, source: open.source.as_ref(), camera };
        let tokens = frames.of(tokenizer, camera, address.episode, FrameAugmentation::Augmented(nth))?;
        let length = tokenizer.description.model.tokens_per_frame();
        let moment = self.moment_from(address, |frame| Ok(&tokens[frame * length..][..length]))?;
        self.sample_of(address, &moment)
    }

    fn sample_of(&self, address: ClipAddress, moment: &Moment<'_>) -> Result<Sample> {
        let sample = self.layout.sample(&self.content(address, moment));
        sample.check(&self.vocabularies, || self.name(address))?;
        let length = sample.len() - 1;
        if length > self.shape.row_length {
            let sample = self.name(address);
            return Err(Error::TooLong { sample, length, limit: self.shape.row_length });
        }
        Ok(sample)
    }

    /// Tokens of the moment at an address.
    ///
    /// # Errors
    /// A frame or label that is missing.
    pub fn moment(&self, address: ClipAddress) -> Result<Moment<'_>> {
        let open = &self.sources[address.source];
        let number = open.source.episodes()[address.episode].number;
        self.moment_from(address, |frame| Ok(open.tokens.frame(number, frame)?))
    }

    /// The moment at an address, from the tokens of the frames of its episode.
    fn moment_from<'a>(
        &'a self,
        address: ClipAddress,
        tokens: impl Fn(usize) -> Result<&'a [u16]>,
    ) -> Result<Moment<'a>> {
        let open = &self.sources[address.source];
        let episode = &open.source.episodes()[address.episode];
        let last = episode.length.saturating_sub(1) as f64;
        // As labels count: the last frame of their last transition.
        let ahead = self.shape.horizon as f64 * self.shape.interval_secs * episode.fps;
        let ahead = (address.start as f64 + ahead).round().clamp(0.0, last) as usize;
        let past = past_frame(address.start, self.shape.interval_secs, episode.fps);
        let latent_actions: &[u8] = match &open.labels {
            None => &[],
            Some((info, labels)) => {
                let missing = || Error::Mismatch {
                    what: "the labels",
                    reason: format!("have nothing on frame {} of episode {}", address.start, episode.name),
                    path: open.source.description().root.clone(),
                };
                let codes = &labels.get(&episode.number).ok_or_else(missing)?.codes;
                let per_frame = info.codes_per_frame();
                let wanted = self.shape.transitions * info.code_length;
                codes.get(address.start * per_frame..).and_then(|codes| codes.get(..wanted)).ok_or_else(missing)?
            }
        };
        Ok(Moment { seen: [tokens(past)?, tokens(address.start)?], ahead: tokens(ahead)?, latent_actions })
    }

    /// Whether the frame ahead of an address lies in its episode.
    pub fn has_whole_horizon(&self, address: ClipAddress) -> bool {
        let episode = &self.sources[address.source].source.episodes()[address.episode];
        let ahead = self.shape.horizon as f64 * self.shape.interval_secs * episode.fps;
        address.start as f64 + ahead.round() <= episode.length.saturating_sub(1) as f64
    }

    /// The instruction at an address.
    pub fn instruction(&self, address: ClipAddress) -> &str {
        self.sources[address.source].source.episodes()[address.episode].instruction().unwrap_or_default()
    }

    /// What people know the sample at an address by.
    pub fn name(&self, address: ClipAddress) -> String {
        let source = &self.sources[address.source].source;
        let episode = &source.episodes()[address.episode];
        format!("episode {}, frame {} of {}", episode.name, address.start, source.description().root.display())
    }

    fn content<'a>(&'a self, address: ClipAddress, moment: &'a Moment<'a>) -> Content<'a> {
        let text = self.instructions.get(self.instruction(address)).map_or(&[][..], Vec::as_slice);
        let labels = &self.sources[address.source].labels;
        Content {
            text,
            frames: &moment.seen,
            latent_state: moment.ahead,
            latent_actions: moment.latent_actions,
            code_length: labels.as_ref().map_or(1, |(info, _)| info.code_length),
            ..Content::default()
        }
    }
}
