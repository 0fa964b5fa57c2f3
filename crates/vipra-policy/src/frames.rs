//! Tokens of frames under random crops and colours, made when they are first needed.

use std::collections::HashMap;
use std::path::PathBuf;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vipra_data::clip::ClipAddress;
use vipra_data::picture::{AugmentConfig, Augmentation};
use vipra_data::source::{Source, read_augmented_frames};
use vipra_data::video::DecoderPool;
use vipra_tokenizer::TrainedTokenizer;

use crate::Result;
use crate::augmented_tokens::AugmentedTokenCache;

/// Frames of an episode that are in memory together.
const FRAMES_AT_ONCE: usize = 64;
/// How many steps before its time the earlier frame is looked for, as in [`vipra_control::History`], so that of two equally near
/// frames the older one is seen in spite of rounding.
const OLDER_STEPS: f64 = 1e-3;

/// The earlier frame that is seen beside a frame: the one nearest to `interval_secs` before it, of two equally near ones the
/// older, and the first where the episode begins later.
pub fn past_frame(frame: usize, interval_secs: f64, fps: f64) -> usize {
    frame.saturating_sub((interval_secs * fps + OLDER_STEPS).round() as usize)
}

/// Which augmentation an episode is seen under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FrameAugmentation {
    /// As a robot's frames: the centred crop, true colours.
    Plain,
    /// The nth random one.
    Augmented(u64),
}

/// Which of `views` views a moment is seen under, from 0 on. Moments of an episode look alike, so that neighbours are seen under
/// different views in each epoch, and a moment under all of them in as many epochs as there are views.
pub(crate) fn view_index(moment: ClipAddress, epoch: u64, views: u64) -> u64 {
    (moment.start as u64 + epoch) % views
}

/// A camera of an open dataset.
#[derive(Clone, Copy)]
pub(crate) struct CameraSource<'a> {
    /// Number of the dataset in the run: augmentations are drawn by it.
    pub(crate) number: usize,
    pub(crate) source: &'a dyn Source,
    pub(crate) camera: &'a str,
}

/// Tokens of whole episodes, each under the views that were asked for. An augmentation is drawn for an episode and not for
/// a frame, so that motion inside of it stays true, and so that frames are encoded once for all samples that they are in.
pub(crate) struct FrameTokens {
    augmentation: AugmentConfig,
    seed: u64,
    decoders: DecoderPool,
    /// Where tokens are kept for other runs.
    cache: PathBuf,
    /// What was opened there, by number of the dataset.
    kept: HashMap<usize, AugmentedTokenCache>,
    /// By number of the dataset, episode and view.
    known: HashMap<(usize, usize, FrameAugmentation), Vec<u16>>,
}

impl FrameTokens {
    /// Tokens that are made are kept in folders within `cache`.
    pub(crate) fn new(augmentation: AugmentConfig, seed: u64, cache: PathBuf) -> Self {
        let (kept, known) = (HashMap::new(), HashMap::new());
        Self { augmentation, seed, decoders: DecoderPool::new(2), cache, kept, known }
    }

    /// Tokens of all frames of an episode, `[frames, tokens_per_frame]`.
    pub(crate) fn of(
        &mut self,
        tokenizer: &TrainedTokenizer,
        camera: CameraSource<'_>,
        episode: usize,
        view: FrameAugmentation,
    ) -> Result<&[u16]> {
        // Without an augmentation all views are the same, and one is read and encoded for all of them.
        let view = if self.augmentation == AugmentConfig::default() { FrameAugmentation::Plain } else { view };
        let key = (camera.number, episode, view);
        if !self.known.contains_key(&key) {
            let tokens = match view {
                FrameAugmentation::Plain => self.encode(tokenizer, camera, episode, view)?,
                FrameAugmentation::Augmented(nth) => self.look_up(tokenizer, camera, episode, nth)?,
            };
            self.known.insert(key, tokens);
        }
        Ok(&self.known[&key])
    }

    /// Tokens under a random augmentation: kept ones, or new ones, which are kept from then on.
    fn look_up(
        &mut self,
        tokenizer: &TrainedTokenizer,
        camera: CameraSource<'_>,
        episode: usize,
        nth: u64,
    ) -> Result<Vec<u16>> {
        let number = camera.number;
        if !self.kept.contains_key(&number) {
            let kept = AugmentedTokenCache::open(&self.cache, tokenizer, camera, &self.augmentation, self.seed)?;
            self.kept.insert(number, kept);
        }
        let frames = camera.source.episodes()[episode].length;
        if let Some(tokens) = self.kept[&number].read(episode, nth, frames)? {
            return Ok(tokens);
        }
        let tokens = self.encode(tokenizer, camera, episode, FrameAugmentation::Augmented(nth))?;
        self.kept[&number].write(episode, nth, &tokens)?;
        Ok(tokens)
    }

    fn encode(
        &mut self,
        tokenizer: &TrainedTokenizer,
        CameraSource { number, source, camera }: CameraSource<'_>,
        episode: usize,
        view: FrameAugmentation,
    ) -> Result<Vec<u16>> {
        let frames: Vec<usize> = (0..source.episodes()[episode].length).collect();
        let augmentation = self.draw(number, episode, view);
        let image = tokenizer.description.image;
        let mut tokens = Vec::with_capacity(frames.len() * tokenizer.description.model.tokens_per_frame());
        for frames in frames.chunks(FRAMES_AT_ONCE) {
            let bytes =
                read_augmented_frames(source, episode, camera, frames, image, &augmentation, &mut self.decoders)?;
            tokens.extend(tokenizer.encode_bytes(&bytes));
        }
        Ok(tokens)
    }

    /// The augmentation of a view, a function of seed, dataset, episode and view alone, so that a resumed run sees the same.
    fn draw(&self, source: usize, episode: usize, view: FrameAugmentation) -> Augmentation {
        match view {
            FrameAugmentation::Plain => self.augmentation.at_inference(),
            FrameAugmentation::Augmented(nth) => {
                let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0x5eed_a061);
                random.set_stream(nth << 40 | (source as u64) << 32 | episode as u64);
                self.augmentation.draw(&mut random)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vipra_data::clip::ClipAddress;

    use super::{past_frame, view_index};

    #[test]
    fn of_two_equally_near_frames_the_older_one_is_seen() {
        // A step and a half; two steps; 1.4 steps.
        assert_eq!([0.3, 0.4, 0.28].map(|secs| past_frame(10, secs, 5.0)), [8, 8, 9]);
        // The product is 14.499999999999998.
        assert_eq!(past_frame(20, 0.29, 50.0), 5);
        assert_eq!([0, 1, 2, 3].map(|frame| past_frame(frame, 0.3, 5.0)), [0, 0, 0, 1]);
    }

    #[test]
    fn neighbours_have_different_views_and_each_moment_gets_every_view() {
        let moment = |start| ClipAddress { source: 0, episode: 0, start };
        let views = 4;
        for start in 0..9 {
            assert_ne!(view_index(moment(start), 0, views), view_index(moment(start + 1), 0, views));
            let mut seen: Vec<u64> = (0..views).map(|epoch| view_index(moment(start), epoch, views)).collect();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3]);
        }
    }
}
