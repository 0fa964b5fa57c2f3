//! Tokens of frames under random crops and colours, made when they are first asked for.

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
/// By how many steps the earlier frame is looked for before its time, as by [`vipra_control::History`]: of two frames equally near
/// to it the older one is seen, whatever rounding does.
const OLDER_STEPS: f64 = 1e-3;

/// The frame that is seen beside another one: the nearest to a time before it, of two equally near the older, and the first
/// where the episode begins later.
pub fn past_frame(frame: usize, interval_secs: f64, fps: f64) -> usize {
    frame.saturating_sub((interval_secs * fps + OLDER_STEPS).round() as usize)
}

/// Which augmentation an episode is seen under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FrameAugmentation {
    /// What a robot sees: the centred crop, true colours.
    Plain,
    /// The nth random one.
    Augmented(u64),
}

/// Which of some views a moment is seen under, from 0 on. Moments of an episode look alike: neighbours are seen under
/// different views in each epoch, and a moment under all of them after as many epochs as there are views.
pub(crate) fn turn(moment: ClipAddress, epoch: u64, views: u64) -> u64 {
    (moment.start as u64 + epoch) % views
}

/// Tokens of whole episodes, each under the views that were asked for. An augmentation is drawn for an episode and not for
/// a frame, so that motion inside of it stays true, and so that frames are encoded once for all samples that they are in.
pub(crate) struct FrameTokens {
    augmentation: AugmentConfig,
    seed: u64,
    decoders: DecoderPool,
    /// Where tokens are kept for other runs, and what was opened there, by source.
    cache: PathBuf,
    kept: HashMap<usize, AugmentedTokenCache>,
    known: HashMap<(usize, usize, FrameAugmentation), Vec<u16>>,
}

impl FrameTokens {
    /// Tokens that are made are kept in folders within `cache`.
    pub(crate) fn new(augmentation: AugmentConfig, seed: u64, cache: PathBuf) -> Self {
        let (kept, known) = (HashMap::new(), HashMap::new());
        Self { augmentation, seed, decoders: DecoderPool::new(2), cache, kept, known }
    }

    /// Tokens of all frames of an episode, `[frames, tokens]`.
    pub(crate) fn of(
        &mut self,
        tokenizer: &TrainedTokenizer,
        (at, source, camera): (usize, &dyn Source, &str),
        episode: usize,
        view: FrameAugmentation,
    ) -> Result<&[u16]> {
        // What changes nothing need not be read and encoded as often as there are views.
        let view = if self.augmentation == AugmentConfig::default() { FrameAugmentation::Plain } else { view };
        let key = (at, episode, view);
        if !self.known.contains_key(&key) {
            let tokens = match view {
                FrameAugmentation::Plain => self.encode(tokenizer, (at, source, camera), episode, view)?,
                FrameAugmentation::Augmented(nth) => self.look_up(tokenizer, (at, source, camera), episode, nth)?,
            };
            self.known.insert(key, tokens);
        }
        Ok(&self.known[&key])
    }

    /// Tokens under a random augmentation: kept ones, or new ones, which are kept from then on.
    fn look_up(
        &mut self,
        tokenizer: &TrainedTokenizer,
        seen: (usize, &dyn Source, &str),
        episode: usize,
        nth: u64,
    ) -> Result<Vec<u16>> {
        let (at, source, _) = seen;
        if !self.kept.contains_key(&at) {
            let kept = AugmentedTokenCache::open(&self.cache, tokenizer, seen, &self.augmentation, self.seed)?;
            self.kept.insert(at, kept);
        }
        let frames = source.episodes()[episode].length;
        if let Some(tokens) = self.kept[&at].read(episode, nth, frames)? {
            return Ok(tokens);
        }
        let tokens = self.encode(tokenizer, seen, episode, FrameAugmentation::Augmented(nth))?;
        self.kept[&at].write(episode, nth, &tokens)?;
        Ok(tokens)
    }

    fn encode(
        &mut self,
        tokenizer: &TrainedTokenizer,
        (at, source, camera): (usize, &dyn Source, &str),
        episode: usize,
        view: FrameAugmentation,
    ) -> Result<Vec<u16>> {
        let frames: Vec<usize> = (0..source.episodes()[episode].length).collect();
        let augmentation = self.draw(at, episode, view);
        let image = tokenizer.description.image;
        let mut tokens = Vec::with_capacity(frames.len() * tokenizer.description.model.tokens_per_frame());
        for frames in frames.chunks(FRAMES_AT_ONCE) {
            let bytes =
                read_augmented_frames(source, episode, camera, frames, image, &augmentation, &mut self.decoders)?;
            tokens.extend(tokenizer.encode_bytes(&bytes));
        }
        Ok(tokens)
    }

    /// A function of seed, source, episode and number: a resumed run sees what it saw.
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

    use super::{past_frame, turn};

    #[test]
    fn of_two_frames_that_are_equally_near_the_older_is_seen() {
        // A step and a half; two steps; 1.4 steps.
        assert_eq!([0.3, 0.4, 0.28].map(|secs| past_frame(10, secs, 5.0)), [8, 8, 9]);
        // The product is 14.499999999999998.
        assert_eq!(past_frame(20, 0.29, 50.0), 5);
        assert_eq!([0, 1, 2, 3].map(|frame| past_frame(frame, 0.3, 5.0)), [0, 0, 0, 1]);
    }

    #[test]
    fn neighbours_differ_and_each_moment_is_seen_under_every_view() {
        let moment = |start| ClipAddress { source: 0, episode: 0, start };
        let views = 4;
        for start in 0..9 {
            assert_ne!(turn(moment(start), 0, views), turn(moment(start + 1), 0, views));
            let mut seen: Vec<u64> = (0..views).map(|epoch| turn(moment(start), epoch, views)).collect();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3]);
        }
    }
}
