//! What a model has to beat: frequencies, and a frame that stays as it is.

use vipra_data::clip::ClipAddress;

use super::data::Samples;
use crate::{Codebook, Result};

/// Added to each count, so that what was never seen is not impossible.
const SMOOTHING: f64 = 1.0;
/// Samples that are counted, at most.
const COUNTED: usize = 20_000;

/// Frequencies in the samples that are learned from.
#[derive(Debug, Clone)]
pub struct Baselines {
    /// Natural logarithm of the share of each code among all latent actions.
    code_log_shares: Vec<f64>,
    /// The same at each position of a transition, position by position.
    position_log_shares: Vec<Vec<f64>>,
    /// The most frequent token at each position of the frame ahead.
    frequent_tokens: Vec<u16>,
}

impl Baselines {
    /// Counts the samples of the first epoch, as far as they go.
    ///
    /// # Errors
    /// What is wrong with a sample.
    pub fn count(samples: &Samples, frame_codes: usize, latent_actions: &Codebook) -> Result<Self> {
        let order = samples.sampler().order(0);
        let all = samples.sampler().clips_per_epoch().min(COUNTED as u64);
        let mut codes = vec![vec![SMOOTHING; latent_actions.codes]; latent_actions.length];
        let mut tokens: Vec<u32> = Vec::new();
        let mut positions = 0;
        for index in 0..all {
            let moment = samples.moment(order.clip(index)?)?;
            let chosen = moment.latent_actions.iter().enumerate();
            chosen.for_each(|(at, code)| codes[at % latent_actions.length][usize::from(*code)] += 1.0);
            positions = moment.ahead.len();
            tokens.resize(positions * frame_codes, 0);
            moment.ahead.iter().enumerate().for_each(|(at, token)| tokens[at * frame_codes + usize::from(*token)] += 1);
        }
        let log_shares = |counts: &[f64]| {
            let total: f64 = counts.iter().sum();
            counts.iter().map(|count| (count / total).ln()).collect::<Vec<f64>>()
        };
        let over_positions = |code: usize| codes.iter().map(|position| position[code]).sum();
        let all_positions: Vec<f64> = (0..latent_actions.codes).map(over_positions).collect();
        let most_frequent = |counts: &[u32]| {
            let best = counts.iter().enumerate().max_by_key(|(token, count)| (**count, std::cmp::Reverse(*token)));
            best.map_or(0, |(token, _)| token as u16)
        };
        Ok(Self {
            code_log_shares: log_shares(&all_positions),
            position_log_shares: codes.iter().map(|counts| log_shares(counts)).collect(),
            frequent_tokens: if positions == 0 {
                Vec::new()
            } else {
                tokens.chunks_exact(frame_codes).map(most_frequent).collect()
            },
        })
    }

    /// Cross-entropy of a code under the frequencies.
    pub fn code_loss(&self, code: u32) -> f64 {
        -self.code_log_shares.get(code as usize).copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// Cross-entropy of a code under the frequencies at its position of a transition.
    pub fn code_loss_at(&self, position: usize, code: u32) -> f64 {
        let length = self.position_log_shares.len().max(1);
        let shares = self.position_log_shares.get(position % length);
        -shares.and_then(|shares| shares.get(code as usize)).copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// The most frequent token at a position of the frame.
    pub fn frequent_token(&self, position: usize) -> u32 {
        self.frequent_tokens.get(position).copied().map_or(0, u32::from)
    }
}

/// Addresses spread evenly over all samples, in the order of the episodes.
///
/// # Errors
/// None in practice: indices are inside the epoch.
pub fn spread(samples: &Samples, count: usize) -> Result<Vec<ClipAddress>> {
    let order = samples.sampler().order(0);
    let all = samples.sampler().clips_per_epoch();
    let mut addresses = (0..all).map(|index| order.clip(index)).collect::<Result<Vec<_>, _>>()?;
    addresses.sort_by_key(|address| (address.source, address.episode, address.start));
    let step = (all as usize).div_ceil(count.max(1)).max(1);
    Ok(addresses.into_iter().skip(step / 2).step_by(step).collect())
}
