//! Which clip comes when.
//!
//! The order is a function of (seed, epoch, index) and of nothing else: not of the number of threads, not of what was
//! read before. Within an epoch every source gives its share by weight; a source is gone through without repeats before
//! any of its clips comes again.

use rand::SeedableRng;
use rand::seq::{SliceRandom, index};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::ClipConfig;
use crate::error::{Error, Result};
use crate::source::Episode;

/// Where a clip begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClipAddress {
    /// Position of the source in the configuration.
    pub source: usize,
    /// Position of the episode in the source.
    pub episode: usize,
    /// First frame, counted at the source's rate.
    pub start: usize,
}

/// The clips of a mixture of sources.
pub struct ClipSampler {
    seed: u64,
    sources: Vec<SourceStarts>,
    /// Clips of each source in an epoch.
    shares: Vec<usize>,
}

/// The possible starts within one source.
struct SourceStarts {
    /// Position of the episode, and the number of starts in all episodes up to and including it.
    cumulative: Vec<(usize, usize)>,
}

impl SourceStarts {
    fn new(episodes: &[(usize, &Episode)], clip: &ClipConfig) -> Self {
        let mut total = 0;
        let cumulative = episodes
            .iter()
            .map(|(at, episode)| {
                total += clip.starts(episode);
                (*at, total)
            })
            .collect();
        SourceStarts { cumulative }
    }

    fn len(&self) -> usize {
        self.cumulative.last().map_or(0, |(_, total)| *total)
    }

    /// The episode and the first frame of the `nth` start.
    fn get(&self, nth: usize) -> (usize, usize) {
        let at = self.cumulative.partition_point(|(_, total)| *total <= nth);
        let before = if at == 0 { 0 } else { self.cumulative[at - 1].1 };
        (self.cumulative[at].0, nth - before)
    }
}

impl ClipConfig {
    /// The number of frames of an episode at which a clip may begin.
    fn starts(&self, episode: &Episode) -> usize {
        let needed = ((self.min_real_frames - 1) as f64 * self.interval_secs * episode.fps).round() as usize;
        episode.length.saturating_sub(needed)
    }

    /// Whether a clip may begin anywhere in the episode.
    pub fn fits(&self, episode: &Episode) -> bool {
        self.starts(episode) > 0
    }

    /// The error of episodes that are all too short for a clip: how long one is, and the longest episode.
    pub fn none_fits<'a>(&self, episodes: impl Iterator<Item = &'a Episode>) -> Error {
        let Some(longest) = episodes.map(Episode::last_frame_secs).max_by(f64::total_cmp) else {
            return Error::Invalid("there is no episode to make clips of".into());
        };
        let (frames, needed) = (self.min_real_frames, (self.min_real_frames - 1) as f64 * self.interval_secs);
        Error::Invalid(format!(
            "no episode lasts {needed:.3} s, which {frames} real frames of a clip need, the longest {longest:.3} s: make \
             data.clip.interval_secs or data.clip.min_real_frames smaller"
        ))
    }
}

impl ClipSampler {
    /// A sampler over the given episodes of each source, with one weight a source.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no clip of this length fits anywhere, or there are more than 2³² of them.
    pub fn new(seed: u64, sources: &[(f64, Vec<(usize, &Episode)>)], clip: &ClipConfig) -> Result<Self> {
        if clip.frames == 0 || clip.min_real_frames == 0 || !clip.interval_secs.is_finite() {
            return Err(Error::Invalid(format!("no clips can be made with {clip:?}")));
        }
        let weights: Vec<f64> = sources.iter().map(|(weight, _)| *weight).collect();
        if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
            return Err(Error::Invalid(format!("weights {weights:?}: each must be a number from 0 on")));
        }
        let starts: Vec<SourceStarts> = sources.iter().map(|(_, episodes)| SourceStarts::new(episodes, clip)).collect();
        let usable: Vec<f64> =
            weights.iter().zip(&starts).map(|(&weight, starts)| if starts.len() == 0 { 0.0 } else { weight }).collect();
        let total: usize = starts.iter().zip(&usable).filter(|(_, weight)| **weight > 0.0).map(|(s, _)| s.len()).sum();
        if total == 0 {
            let used = sources.iter().filter(|(weight, _)| *weight > 0.0).flat_map(|(_, episodes)| episodes);
            return Err(clip.none_fits(used.map(|(_, episode)| *episode)));
        }
        if u32::try_from(total).is_err() {
            return Err(Error::Invalid(format!("{total} clips in an epoch are more than 2³²")));
        }
        Ok(ClipSampler { seed, shares: shares(total, &usable), sources: starts })
    }

    /// Clips in an epoch: as many as there are starts in the sources that have a weight.
    pub fn clips_per_epoch(&self) -> u64 {
        self.shares.iter().sum::<usize>() as u64
    }

    /// The order of one epoch. Takes four bytes a clip.
    pub fn order(&self, epoch: u64) -> EpochOrder<'_> {
        let mut rng = random(self.seed, Purpose::Order, epoch, 0);
        let mut slots: Vec<u32> = (0..self.clips_per_epoch() as u32).collect();
        slots.shuffle(&mut rng);
        let rests = self
            .shares
            .iter()
            .zip(&self.sources)
            .map(|(&share, starts)| match starts.len() {
                0 => Vec::new(),
                all => index::sample(&mut rng, all, share % all).into_iter().map(|start| start as u32).collect(),
            })
            .collect();
        EpochOrder { sampler: self, slots, rests }
    }
}

/// Splits `total` by weight; what rounding leaves goes to the largest remainders.
fn shares(total: usize, weights: &[f64]) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let exact: Vec<f64> = weights.iter().map(|weight| weight / sum * total as f64).collect();
    let mut shares: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).filter(|&at| weights[at] > 0.0).collect();
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let missing = total - shares.iter().sum::<usize>();
    by_remainder.iter().cycle().take(missing).for_each(|&at| shares[at] += 1);
    shares
}

/// The order of the clips of one epoch.
pub struct EpochOrder<'a> {
    sampler: &'a ClipSampler,
    /// Shuffled slots; the slots of the first source come first, then those of the second, …
    slots: Vec<u32>,
    /// For each source the starts of its last, incomplete round.
    rests: Vec<Vec<u32>>,
}

impl EpochOrder<'_> {
    /// The clip at `index`.
    ///
    /// # Errors
    /// [`Error::Invalid`] past the end of the epoch.
    pub fn clip(&self, index: u64) -> Result<ClipAddress> {
        let slot = usize::try_from(index).ok().and_then(|index| self.slots.get(index));
        let past_end = || Error::Invalid(format!("clip {index} of an epoch of {}", self.slots.len()));
        let mut slot = *slot.ok_or_else(past_end)? as usize;
        for (source, (&share, starts)) in self.sampler.shares.iter().zip(&self.sampler.sources).enumerate() {
            if slot < share {
                let whole_rounds = share / starts.len() * starts.len();
                let nth = match slot.checked_sub(whole_rounds) {
                    Some(rest) => self.rests[source][rest] as usize,
                    None => slot % starts.len(),
                };
                let (episode, start) = starts.get(nth);
                return Ok(ClipAddress { source, episode, start });
            }
            slot -= share;
        }
        Err(past_end())
    }
}

/// What random numbers are drawn for; no two purposes share a stream.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Order = 1,
    Augmentation = 2,
}

/// A generator that depends on these four numbers alone.
pub(super) fn random(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (part, number) in bytes.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn episode(number: usize, length: usize, fps: f64) -> Episode {
        Episode { number, name: number.to_string(), length, fps, tasks: vec![] }
    }

    fn all(sampler: &ClipSampler, epoch: u64) -> Vec<ClipAddress> {
        let order = sampler.order(epoch);
        (0..sampler.clips_per_epoch()).map(|index| order.clip(index).unwrap()).collect()
    }

    #[test]
    fn one_source_is_gone_through_once_an_epoch() {
        let (short, long) = (episode(0, 3, 5.0), episode(1, 10, 5.0));
        let clip = ClipConfig { frames: 4, interval_secs: 0.2, min_real_frames: 2 };
        let sampler = ClipSampler::new(7, &[(1.0, vec![(0, &short), (1, &long)])], &clip).unwrap();
        let clips = all(&sampler, 0);
        assert_eq!(clips.len(), 2 + 9);
        assert_eq!(clips.iter().collect::<HashSet<_>>().len(), clips.len());
        assert_eq!(clips, all(&sampler, 0));
        assert_ne!(clips, all(&sampler, 1));
    }

    #[test]
    fn weights_set_the_shares() {
        let episodes = [episode(0, 100, 10.0), episode(0, 1000, 10.0)];
        let clip = ClipConfig { min_real_frames: 1, ..ClipConfig::default() };
        let sources = [(3.0, vec![(0, &episodes[0])]), (1.0, vec![(0, &episodes[1])])];
        let sampler = ClipSampler::new(1, &sources, &clip).unwrap();
        let clips = all(&sampler, 5);
        assert_eq!(clips.len(), 1100);
        assert_eq!(clips.iter().filter(|clip| clip.source == 0).count(), 825);
        // The small source is repeated, but no clip of it more than once more than another.
        let mut times: HashMap<usize, usize> = HashMap::new();
        clips.iter().filter(|clip| clip.source == 0).for_each(|clip| *times.entry(clip.start).or_default() += 1);
        assert_eq!(times.len(), 100);
        assert!(times.values().all(|&count| count == 8 || count == 9));
    }

    #[test]
    fn too_short_episodes_are_a_clear_error() {
        let (short, longest, unused) = (episode(0, 2, 5.0), episode(1, 3, 5.0), episode(2, 9, 5.0));
        let clip = ClipConfig { frames: 8, interval_secs: 1.0, min_real_frames: 8 };
        let sources = [(1.0, vec![(0, &short), (1, &longest)]), (0.0, vec![(0, &unused)])];
        let error = ClipSampler::new(0, &sources, &clip).err().unwrap().to_string();
        for part in ["no episode lasts 7.000 s", "8 real frames", "the longest 0.400 s", "data.clip.interval_secs"] {
            assert!(error.contains(part), "{error}");
        }
        let error = ClipSampler::new(0, &[(1.0, vec![])], &clip).err().unwrap().to_string();
        assert!(error.contains("no episode to make clips of"), "{error}");
    }

    proptest! {
        #[test]
        fn every_clip_is_inside_its_episode(
            lengths in prop::collection::vec((1..40_usize, 1..60_u32), 1..6),
            weights in prop::collection::vec(0.0..3.0_f64, 2),
            interval_secs in 0.01..2.0_f64,
            min_real_frames in 1..4_usize,
            seed: u64,
        ) {
            let episodes: Vec<Episode> =
                lengths.iter().enumerate().map(|(at, &(length, fps))| episode(at, length, f64::from(fps))).collect();
            let half = episodes.len() / 2;
            let list = |range: std::ops::Range<usize>| range.map(|at| (at, &episodes[at])).collect::<Vec<_>>();
            let sources = [(weights[0], list(0..half)), (weights[1], list(half..episodes.len()))];
            let clip = ClipConfig { frames: 8, interval_secs, min_real_frames };
            let Ok(sampler) = ClipSampler::new(seed, &sources, &clip) else { return Ok(()) };
            for clip in all(&sampler, seed) {
                let episode = &episodes[clip.episode];
                prop_assert!(sources[clip.source].1.iter().any(|(at, _)| *at == clip.episode));
                let last_real = clip.start as f64 + (min_real_frames - 1) as f64 * interval_secs * episode.fps;
                prop_assert!(last_real <= (episode.length - 1) as f64 + 0.5 + 1e-9);
            }
        }
    }
}
