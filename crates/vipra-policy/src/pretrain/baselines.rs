//! What a model has to beat: frequencies, and a frame that stays as it is.

use vipra_data::clip::ClipAddress;

use super::data::Samples;
use crate::sample_stream::{evenly_spread, moments};
use crate::{CodebookInfo, Result};

/// Added to each count, so that what was never seen is not impossible.
const SMOOTHING: f64 = 1.0;
/// Samples that are counted, at most.
const COUNTED: usize = 20_000;

/// Frequencies in the samples that are learned from.
#[derive(Debug, Clone)]
pub(super) struct Baselines {
    /// Natural logarithm of the share of each code among all latent actions.
    code_log_shares: Vec<f64>,
    /// The same at each position of a transition, position by position.
    position_log_shares: Vec<Vec<f64>>,
    /// The same of the tokens at each position of the frame ahead.
    token_log_shares: Vec<Vec<f64>>,
}

impl Baselines {
    /// Counts the samples of the first epoch, as far as they go.
    ///
    /// # Errors
    /// What is wrong with a sample.
    pub fn count(samples: &Samples, frame_codes: usize, latent_actions: &CodebookInfo) -> Result<Self> {
        let order = samples.sampler().order(0);
        let all = samples.sampler().clips_per_epoch().min(COUNTED as u64);
        let mut codes = vec![vec![SMOOTHING; latent_actions.codes]; latent_actions.length];
        let mut tokens: Vec<Vec<f64>> = Vec::new();
        for index in 0..all {
            let moment = samples.moment(order.clip(index)?)?;
            let chosen = moment.latent_actions.iter().enumerate();
            chosen.for_each(|(at, code)| codes[at % latent_actions.length][usize::from(*code)] += 1.0);
            tokens.resize(moment.ahead.len(), vec![SMOOTHING; frame_codes]);
            moment.ahead.iter().zip(&mut tokens).for_each(|(token, counts)| counts[usize::from(*token)] += 1.0);
        }
        let log_shares = |counts: &[f64]| {
            let total: f64 = counts.iter().sum();
            counts.iter().map(|count| (count / total).ln()).collect::<Vec<f64>>()
        };
        let over_positions = |code: usize| codes.iter().map(|position| position[code]).sum();
        let all_positions: Vec<f64> = (0..latent_actions.codes).map(over_positions).collect();
        Ok(Self {
            code_log_shares: log_shares(&all_positions),
            position_log_shares: codes.iter().map(|counts| log_shares(counts)).collect(),
            token_log_shares: tokens.iter().map(|counts| log_shares(counts)).collect(),
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

    /// The most frequent code at a position of a transition.
    pub fn frequent_code(&self, position: usize) -> u32 {
        let length = self.position_log_shares.len().max(1);
        most_frequent(self.position_log_shares.get(position % length))
    }

    /// Cross-entropy of a token under the frequencies at its position of the frame.
    pub fn token_loss(&self, position: usize, token: u32) -> f64 {
        let shares = self.token_log_shares.get(position);
        -shares.and_then(|shares| shares.get(token as usize)).copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// The most frequent token at a position of the frame.
    pub fn frequent_token(&self, position: usize) -> u32 {
        most_frequent(self.token_log_shares.get(position))
    }
}

/// The first of the largest.
fn most_frequent(log_shares: Option<&Vec<f64>>) -> u32 {
    let shares = log_shares.into_iter().flatten().enumerate();
    let best = shares.max_by(|(a, share), (b, other)| share.total_cmp(other).then(b.cmp(a)));
    best.map_or(0, |(at, _)| at as u32)
}

/// Addresses spread evenly over the samples whose whole horizon lies in their episode, in the order of the episodes; over all
/// samples where there are none. Beyond an episode's end the last frame repeats, which is easy to predict.
pub(super) fn held_out_moments(samples: &Samples, count: usize) -> Result<Vec<ClipAddress>> {
    let mut addresses = moments(samples.sampler())?;
    if addresses.iter().any(|address| samples.has_whole_horizon(*address)) {
        addresses.retain(|address| samples.has_whole_horizon(*address));
    }
    Ok(evenly_spread(&addresses, count))
}
