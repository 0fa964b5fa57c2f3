//! Samples side by side, or one behind the other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, Sample};

/// How samples share rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrangement {
    /// One sample a row, filled up to the longest of the batch.
    #[default]
    Padded,
    /// As many samples as a row has room for; they do not see each other. (The release's see what comes before.)
    Packed,
}

/// Tokens that are predicted at positions of a batch, all of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// Index into the positions of the batch, row by row: the position *before* the token.
    pub positions: Vec<u32>,
    /// The tokens.
    pub ids: Vec<u32>,
    /// Share of each in the loss: the mean of a sample's tokens, then the mean over all samples, those without such tokens
    /// included (reference 0.8).
    pub weights: Vec<f32>,
}

/// Samples as the model takes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Rows.
    pub rows: usize,
    /// Positions of a row.
    pub length: usize,
    /// Token at each position, `[rows, length]`.
    pub ids: Vec<u32>,
    /// Kind of each token.
    pub kinds: Vec<Kind>,
    /// Codes of observed frames that are read merged, sample by sample (see [`Sample::observed`]).
    pub observed: Vec<u16>,
    /// Position in its row where the sample of each position begins, if rows hold several.
    pub first_seen: Option<Vec<u32>>,
    /// What is predicted, by kind.
    pub targets: BTreeMap<Kind, Targets>,
    /// Samples.
    pub samples: usize,
    /// Positions that hold no sample.
    pub padding: usize,
}

impl Batch {
    /// Rows of samples, filled up with `padding` on the right to the longest row. A sample's last token is predicted but
    /// not read.
    pub fn new(rows: &[Vec<Sample>], padding: u32) -> Self {
        let used = |row: &Vec<Sample>| row.iter().map(|sample| sample.len().saturating_sub(1)).sum::<usize>();
        let length = rows.iter().map(used).max().unwrap_or(0);
        let samples = rows.iter().map(Vec::len).sum();
        let mut batch = Self {
            rows: rows.len(),
            length,
            ids: Vec::with_capacity(rows.len() * length),
            kinds: Vec::with_capacity(rows.len() * length),
            observed: Vec::new(),
            first_seen: rows.iter().any(|row| row.len() > 1).then(Vec::new),
            targets: BTreeMap::new(),
            samples,
            padding: 0,
        };
        for (index, row) in rows.iter().enumerate() {
            row.iter().for_each(|sample| batch.push(sample, index * length));
            batch.fill_row((index + 1) * length, padding);
        }
        batch
    }

    /// Samples that end at the same column, and `branches` times `length` tokens of a kind behind each. Branch tokens have id
    /// 0; the caller supplies their embeddings.
    pub fn branching(samples: &[Sample], padding: u32, kind: Kind, branches: usize, length: usize) -> Self {
        let longest = samples.iter().map(Sample::len).max().unwrap_or(0);
        let behind = branches * length;
        let mut batch = Self {
            rows: samples.len(),
            length: longest + behind,
            ids: Vec::with_capacity(samples.len() * (longest + behind)),
            kinds: Vec::with_capacity(samples.len() * (longest + behind)),
            observed: Vec::new(),
            first_seen: samples.iter().any(|sample| sample.len() < longest).then(Vec::new),
            targets: BTreeMap::new(),
            samples: samples.len(),
            padding: 0,
        };
        for (row, sample) in samples.iter().enumerate() {
            let missing = longest - sample.len();
            batch.padding += missing;
            batch.ids.extend(std::iter::repeat_n(padding, missing));
            batch.kinds.resize(batch.ids.len(), Kind::Text);
            batch.push(sample, row * batch.length);
            batch.ids.extend(sample.ids.last());
            batch.kinds.extend(sample.kinds.last());
            batch.ids.resize((row + 1) * batch.length, 0);
            batch.kinds.resize(batch.ids.len(), kind);
            if let Some(first_seen) = &mut batch.first_seen {
                first_seen.truncate(row * batch.length);
                first_seen.resize(batch.ids.len(), missing as u32);
            }
        }
        batch
    }

    fn push(&mut self, sample: &Sample, row: usize) {
        let start = self.ids.len();
        let count = sample.len().saturating_sub(1);
        self.ids.extend_from_slice(&sample.ids[..count]);
        self.kinds.extend_from_slice(&sample.kinds[..count]);
        self.observed.extend_from_slice(&sample.observed);
        if let Some(first_seen) = &mut self.first_seen {
            first_seen.resize(self.ids.len(), (start - row) as u32);
        }
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for token in (1..sample.len()).filter(|token| sample.is_predicted[*token]) {
            let kind = sample.kinds[token];
            let targets = self.targets.entry(kind).or_default();
            targets.positions.push((start + token - 1) as u32);
            targets.ids.push(sample.ids[token]);
            *counts.entry(kind).or_default() += 1;
        }
        for (kind, count) in counts {
            let targets = self.targets.entry(kind).or_default();
            targets.weights.resize(targets.ids.len(), 1.0 / (count * self.samples) as f32);
        }
    }

    fn fill_row(&mut self, end: usize, id: u32) {
        let start = self.ids.len();
        self.padding += end - start;
        self.ids.resize(end, id);
        self.kinds.resize(end, Kind::Text);
        if let Some(first_seen) = &mut self.first_seen {
            // Padding sees itself alone.
            let row = end - self.length;
            first_seen.extend((start..end).map(|position| (position - row) as u32));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(length: usize, seed: usize) -> Sample {
        let kind = |index: usize| Kind::ALL[(index + seed) % 4];
        Sample {
            ids: (0..length).map(|index| (index * 7 + seed) as u32).collect(),
            kinds: (0..length).map(kind).collect(),
            is_predicted: (0..length).map(|index| !(index + seed).is_multiple_of(3)).collect(),
            observed: Vec::new(),
        }
    }

    #[test]
    fn branches_begin_at_the_same_column() {
        let samples = [sample(4, 0), sample(7, 1)];
        let batch = Batch::branching(&samples, 1, Kind::Action, 2, 3);
        assert_eq!((batch.rows, batch.length, batch.padding), (2, 7 + 6, 3));
        let [short, long] = [0, 1].map(|row| &batch.ids[row * 13..][..13]);
        assert_eq!(short, [&[1; 3], &samples[0].ids[..], &[0; 6]].concat());
        assert_eq!(long, [&samples[1].ids[..], &[0; 6]].concat());
        assert!([7, 20].iter().all(|first| batch.kinds[*first..][..6] == [Kind::Action; 6]));
        assert_eq!(batch.first_seen.as_ref().unwrap()[..], [[3; 13], [0; 13]].concat()[..]);
        for targets in batch.targets.values() {
            for (position, id) in targets.positions.iter().zip(&targets.ids) {
                assert_eq!(batch.ids[*position as usize + 1], *id, "a target is not the token that follows");
            }
        }
    }

    proptest! {
        /// Every predicted token is a target exactly once, right behind the position that predicts it, and the weights of
        /// each kind are the mean of means.
        #[test]
        fn no_token_is_lost(lengths in prop::collection::vec(prop::collection::vec(2..30_usize, 1..4), 1..5)) {
            let rows: Vec<Vec<Sample>> = lengths
                .iter()
                .enumerate()
                .map(|(row, lengths)| lengths.iter().enumerate().map(|(at, l)| sample(*l, row * 5 + at)).collect())
                .collect();
            let batch = Batch::new(&rows, 1);
            let all: Vec<&Sample> = rows.iter().flatten().collect();
            prop_assert_eq!(batch.ids.len(), batch.rows * batch.length);
            prop_assert_eq!(batch.padding, batch.ids.len() - all.iter().map(|s| s.len() - 1).sum::<usize>());
            for kind in Kind::ALL {
                let expected: Vec<u32> = all
                    .iter()
                    .flat_map(|s| (1..s.len()).filter(|t| s.is_predicted[*t] && s.kinds[*t] == kind).map(|t| s.ids[t]))
                    .collect();
                let targets = batch.targets.get(&kind).cloned().unwrap_or_default();
                prop_assert_eq!(&targets.ids, &expected);
                let having = all.iter().filter(|s| (1..s.len()).any(|t| s.is_predicted[t] && s.kinds[t] == kind)).count();
                let total: f32 = targets.weights.iter().sum();
                prop_assert!((total - having as f32 / all.len() as f32).abs() < 1e-5);
            }
            if let Some(first_seen) = &batch.first_seen {
                for (index, first) in first_seen.iter().enumerate() {
                    prop_assert!(*first as usize <= index % batch.length);
                }
            }
        }
    }
}
