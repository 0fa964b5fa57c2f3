//! Moments of a dataset: what the model sees, and what came of it.

use anyhow::{Context, Result};
use burn::tensor::Tensor;
use vipra_data::source::{Source, read_frames};
use vipra_data::video::DecoderPool;
use vipra_data::{DataConfig, Frame, OnError, SourceConfig};
use vipra_laq::frames::to_pictures;
use vipra_laq::label::horizon_window;
use vipra_nn::pixels;
use vipra_policy::past_frame;

use super::Models;
use crate::cli::PredictArgs;
use crate::commands::datasets::{find_episode, open_dataset};
use crate::output::tell_skipped;
use crate::run_folder::tolerance_of_run;

/// A frame of an episode, by positions.
#[derive(Clone, Copy)]
pub struct Place {
    episode: usize,
    frame: usize,
}

/// One moment.
pub struct Moment {
    pub caption: String,
    pub file_name: String,
    pub instruction: String,
    pub past_tokens: Vec<u16>,
    pub current_tokens: Vec<u16>,
    pub ahead_tokens: Vec<u16>,
    /// Frames of the tokenizer's size.
    pub current: Frame,
    pub ahead: Frame,
    /// The current frame for the latent action model, `[1, 3, height, width]`.
    pub first: Tensor<4>,
    /// The current frame and those that follow, of the latent action model's size.
    pub truth: Vec<Frame>,
    /// Codes of the true transitions.
    pub codes: Vec<u8>,
}

/// A dataset that is open.
pub struct Reader {
    source: Box<dyn Source>,
    camera: String,
    split: Option<String>,
    decoders: DecoderPool,
    horizon: usize,
    transitions: usize,
    interval_secs: f64,
}

impl Reader {
    pub fn open(args: &PredictArgs, models: &Models) -> Result<Self> {
        // Other episodes may be broken.
        let tolerance_secs = tolerance_of_run(&models.transformer.path);
        let data = DataConfig { tolerance_secs, on_error: OnError::Skip, ..DataConfig::default() };
        let source = open_dataset(&data, &SourceConfig { fps: args.fps, ..SourceConfig::new(&args.dataset) })?;
        tell_skipped(&source.description().skipped);
        let camera = source.description().camera(args.camera.as_deref())?.to_owned();
        let description = &models.transformer.description;
        Ok(Self {
            source,
            camera,
            split: args.split.clone(),
            decoders: DecoderPool::new(2),
            horizon: description.horizon,
            transitions: description.transitions,
            interval_secs: description.interval_secs,
        })
    }

    /// Moments spread evenly over an episode, or over all of the split, far enough from the ends to see what came of them
    /// wherever there are such.
    pub fn places(&self, episode: Option<&str>, count: usize) -> Result<Vec<Place>> {
        let episodes = self.source.episodes();
        let mut chosen = self.source.description().split(self.split.as_deref(), episodes)?;
        if let Some(name) = episode {
            let at = find_episode(self.source.as_ref(), name)?;
            anyhow::ensure!(
                chosen.contains(&at),
                "the episode `{name}` is not in the split `{}`: {}",
                self.split.as_deref().unwrap_or_default(),
                self.source.description().root.display()
            );
            chosen = vec![at];
        }
        let places = chosen.into_iter().flat_map(|at| {
            let ahead = (self.horizon as f64 * self.interval_secs * episodes[at].fps).round() as usize;
            let frames = episodes[at].length.saturating_sub(ahead).max(1);
            (0..frames).map(move |frame| Place { episode: at, frame })
        });
        let places: Vec<Place> = places.collect();
        let step = places.len() as f64 / count as f64;
        let spread = (0..count.min(places.len()))
            .map(|index| places[((index as f64 + 0.5) * step.max(1.0)) as usize % places.len()]);
        Ok(spread.collect())
    }

    pub fn read(&mut self, place: Place, models: &Models) -> Result<Moment> {
        let episode = self.source.episodes()[place.episode].clone();
        // One interval before, the frame, and all that follow; the last one is the frame ahead.
        let window = horizon_window(place.frame, episode.length, episode.fps, self.interval_secs, self.horizon);
        let (past, current) = (past_frame(place.frame, self.interval_secs, episode.fps), window[1]);
        let ahead = *window.last().context("a window has frames")?;

        let image = models.tokenizer.description.image;
        let size = [image.height, image.width];
        let bytes = self.frames(place.episode, &[past, current, ahead], image)?;
        let tokenizer = &models.tokenizer.model;
        let frames = pixels::from_bytes(&bytes, [3, size[0], size[1]], &vipra_nn::device::of(tokenizer));
        let tokens: Vec<u16> = tokenizer.encode(frames.clone()).into_data().iter::<i64>().map(|id| id as u16).collect();
        let mut tokens = tokens.chunks(tokens.len() / 3).map(<[u16]>::to_vec);
        let mut next = || tokens.next().context("three frames have tokens");
        let (past_tokens, current_tokens, ahead_tokens) = (next()?, next()?, next()?);
        let mut pictures = to_pictures(frames).into_iter().skip(1);
        let mut next = || pictures.next().context("three frames have pictures");
        let (current_picture, ahead_picture) = (next()?, next()?);

        let image = models.laq.description.image;
        let bytes = self.frames(place.episode, &window, image)?;
        let laq = &models.laq.model;
        let clip = pixels::from_bytes(&bytes, [window.len(), image.height, image.width], &vipra_nn::device::of(laq));
        let codes = laq.infer(clip.clone().unsqueeze_dim(0))?.codes.narrow(1, 1, self.transitions);
        let after = clip.narrow(0, 1, 1 + self.transitions);
        let instruction = episode.instruction().unwrap_or_default().to_owned();
        Ok(Moment {
            caption: format!("episode {}, frame {}: {instruction}", episode.name, place.frame),
            file_name: format!("episode-{}-frame-{:04}", file_safe(&episode.name), place.frame),
            instruction,
            past_tokens,
            current_tokens,
            ahead_tokens,
            current: current_picture,
            ahead: ahead_picture,
            first: after.clone().narrow(0, 0, 1),
            truth: to_pictures(after),
            codes: codes.into_data().iter::<i64>().map(|code| code as u8).collect(),
        })
    }

    /// Frames in the order asked for, which may repeat.
    fn frames(&mut self, episode: usize, wanted: &[usize], image: vipra_data::picture::ImageConfig) -> Result<Vec<u8>> {
        Ok(read_frames(self.source.as_ref(), episode, &self.camera, wanted, image, &mut self.decoders)?)
    }
}

fn file_safe(name: &str) -> String {
    name.chars().map(|letter| if letter.is_alphanumeric() || "._-".contains(letter) { letter } else { '-' }).collect()
}
