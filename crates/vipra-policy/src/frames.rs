//! Tokens of frames under random crops and colours, made when they are first asked for.

use std::collections::HashMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vipra_data::picture::{AugmentConfig, Augmentation};
use vipra_data::source::{Source, read_augmented_frames};
use vipra_data::video::DecoderPool;
use vipra_tokenizer::TrainedTokenizer;

use crate::Result;

/// Which augmentation an episode is seen under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum View {
    /// What a robot sees: the centred crop, true colours.
    Plain,
    /// The nth random one.
    Augmented(u64),
}

/// Tokens of whole episodes, each under the views that were asked for. An augmentation is drawn for an episode and not for
/// a frame, so that motion inside of it stays true, and so that frames are encoded once for all samples that they are in.
pub(crate) struct FrameTokens {
    augmentation: AugmentConfig,
    seed: u64,
    decoders: DecoderPool,
    known: HashMap<(usize, usize, View), Vec<u16>>,
}

impl FrameTokens {
    pub(crate) fn new(augmentation: AugmentConfig, seed: u64) -> Self {
        Self { augmentation, seed, decoders: DecoderPool::new(2), known: HashMap::new() }
    }

    /// Tokens of all frames of an episode, `[frames, tokens]`.
    pub(crate) fn of(
        &mut self,
        tokenizer: &TrainedTokenizer,
        (at, source, camera): (usize, &dyn Source, &str),
        episode: usize,
        view: View,
    ) -> Result<&[u16]> {
        let key = (at, episode, view);
        if !self.known.contains_key(&key) {
            let frames: Vec<usize> = (0..source.episodes()[episode].length).collect();
            let augmentation = self.draw(at, episode, view);
            let bytes = read_augmented_frames(
                source,
                episode,
                camera,
                &frames,
                tokenizer.description.image,
                &augmentation,
                &mut self.decoders,
            )?;
            self.known.insert(key, tokenizer.encode_bytes(&bytes));
        }
        Ok(&self.known[&key])
    }

    /// A function of seed, source, episode and number: a resumed run sees what it saw.
    fn draw(&self, source: usize, episode: usize, view: View) -> Augmentation {
        match view {
            View::Plain => self.augmentation.at_inference(),
            View::Augmented(nth) => {
                let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0x5eed_a061);
                random.set_stream(nth << 40 | (source as u64) << 32 | episode as u64);
                self.augmentation.draw(&mut random)
            }
        }
    }
}
