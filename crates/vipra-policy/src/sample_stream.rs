//! Samples of an epoch, in their order.

use serde::{Deserialize, Serialize};
use vipra_data::clip::{ClipAddress, ClipSampler};

use crate::{Error, Result};

/// Where a stream of samples is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    pub(crate) epoch: u64,
    pub(crate) index: u64,
}

/// The samples of an epoch, in their order.
pub(crate) struct SampleStream {
    next: Position,
    addresses: Vec<ClipAddress>,
}

impl SampleStream {
    pub(crate) fn at(position: Position, sampler: &ClipSampler) -> Result<Self> {
        let order = sampler.order(position.epoch);
        let all = sampler.clips_per_epoch();
        if position.index > all {
            return Err(Error::Invalid(format!("sample {} of an epoch of {all}", position.index)));
        }
        let addresses = (0..all).map(|index| order.clip(index)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { next: position, addresses })
    }

    /// Where the sample that comes next is.
    pub(crate) fn position(&self) -> Position {
        self.next
    }

    /// The sample that comes next; it comes again until it is [taken](Self::take).
    pub(crate) fn peek(&mut self, sampler: &ClipSampler) -> Result<ClipAddress> {
        if self.next.index == self.addresses.len() as u64 {
            *self = Self::at(Position { epoch: self.next.epoch + 1, index: 0 }, sampler)?;
        }
        Ok(self.addresses[self.next.index as usize])
    }

    pub(crate) fn take(&mut self) {
        self.next.index += 1;
    }
}

/// Every moment once, in the order of the episodes.
pub(crate) fn moments(sampler: &ClipSampler) -> Result<Vec<ClipAddress>> {
    let mut addresses = SampleStream::at(Position::default(), sampler)?.addresses;
    addresses.sort_by_key(|address| (address.source, address.episode, address.start));
    // A source of a large weight comes several times in an epoch.
    addresses.dedup();
    Ok(addresses)
}

/// At most `count` of them, evenly spread.
pub(crate) fn evenly_spread(addresses: &[ClipAddress], count: usize) -> Vec<ClipAddress> {
    let (all, count) = (addresses.len(), count.min(addresses.len()));
    (0..count).map(|index| addresses[(2 * index + 1) * all / (2 * count)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_of_many_moments_are_the_middles_of_equal_parts() {
        let all: Vec<ClipAddress> = (0..12).map(|start| ClipAddress { source: 0, episode: 0, start }).collect();
        let starts = |count: usize| evenly_spread(&all, count).iter().map(|at| at.start).collect::<Vec<_>>();
        assert_eq!(starts(3), [2, 6, 10]);
        assert_eq!(starts(20), (0..12).collect::<Vec<_>>());
        assert!(starts(0).is_empty() && evenly_spread(&[], 3).is_empty());
    }
}
