//! Samples in rows: one a row, or several one after the other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Sample, TokenKind};

/// How samples share rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrangement {
    /// One sample a row, padded to the longest of the batch.
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

/// Samples in the form in which the model takes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// Positions of a row.
    pub length: usize,
    /// Token at each position, `[rows, length]`.
    pub ids: Vec<u32>,
    /// Kind of each token, `[rows, length]`.
    pub kinds: Vec<TokenKind>,
    /// Tokens of observed frames that the model merges, sample by sample (see [`Sample::unmerged_frame_tokens`]).
    pub unmerged_frame_tokens: Vec<u16>,
    /// Position in its row where the sample of each position begins, `[rows, length]`, if rows hold several.
    pub first_seen: Option<Vec<u32>>,
    /// What is predicted, by kind.
    pub targets: BTreeMap<TokenKind, Targets>,
    /// Number of samples.
    pub samples: usize,
    /// Positions that hold no sample.
    pub padding: usize,
}

impl Batch {
    /// Rows of samples, padded with the token `padding` on the right to the longest row. A sample's last token is predicted but
    /// not read.
    pub fn new(rows: &[Vec<Sample>], padding: u32) -> Self {
        let used = |row: &Vec<Sample>| row.iter().map(|sample| sample.len().saturating_sub(1)).sum::<usize>();
        let length = rows.iter().map(used).max().unwrap_or(0);
        let samples = rows.iter().map(Vec::len).sum();
        let mut batch = Self::empty(rows.len(), length, samples, rows.iter().any(|row| row.len() > 1));
        for (index, row) in rows.iter().enumerate() {
            for sample in row {
                let start = batch.ids.len();
                batch.push_tokens(sample, sample.len().saturating_sub(1));
                batch.push_targets(sample, start);
                if let Some(first_seen) = &mut batch.first_seen {
                    first_seen.resize(batch.ids.len(), (start - index * length) as u32);
                }
            }
            batch.fill_row((index + 1) * length, padding);
        }
        batch
    }

    /// Left-padded prompts, each followed by `branches` chunks of `length` tokens that share the prompt and do not see each
    /// other. Tokens of chunks are of kind `kind` and have id 0; the caller supplies their embeddings.
    pub fn branching(prompts: &[Sample], padding: u32, kind: TokenKind, branches: usize, length: usize) -> Self {
        let longest = prompts.iter().map(Sample::len).max().unwrap_or(0);
        let is_padded = prompts.iter().any(|prompt| prompt.len() < longest);
        let mut batch = Self::empty(prompts.len(), longest + branches * length, prompts.len(), is_padded);
        for (row, prompt) in prompts.iter().enumerate() {
            let missing = longest - prompt.len();
            batch.padding += missing;
            batch.ids.extend(std::iter::repeat_n(padding, missing));
            batch.kinds.resize(batch.ids.len(), TokenKind::Text);
            let start = batch.ids.len();
            batch.push_tokens(prompt, prompt.len());
            batch.push_targets(prompt, start);
            batch.ids.resize((row + 1) * batch.length, 0);
            batch.kinds.resize(batch.ids.len(), kind);
            if let Some(first_seen) = &mut batch.first_seen {
                first_seen.resize(batch.ids.len(), missing as u32);
            }
        }
        batch
    }

    fn empty(rows: usize, length: usize, samples: usize, has_first_seen: bool) -> Self {
        Self {
            rows,
            length,
            ids: Vec::with_capacity(rows * length),
            kinds: Vec::with_capacity(rows * length),
            unmerged_frame_tokens: Vec::new(),
            first_seen: has_first_seen.then(Vec::new),
            targets: BTreeMap::new(),
            samples,
            padding: 0,
        }
    }

    /// Appends the first `count` tokens of a sample, which leave out no observed frame.
    fn push_tokens(&mut self, sample: &Sample, count: usize) {
        self.ids.extend_from_slice(&sample.ids[..count]);
        self.kinds.extend_from_slice(&sample.kinds[..count]);
        self.unmerged_frame_tokens.extend_from_slice(&sample.unmerged_frame_tokens);
    }

    /// Appends what is predicted of a sample whose first token is at position `start` of the batch.
    fn push_targets(&mut self, sample: &Sample, start: usize) {
        let mut counts: BTreeMap<TokenKind, usize> = BTreeMap::new();
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
        self.kinds.resize(end, TokenKind::Text);
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
        let kind = |index: usize| TokenKind::ALL[(index + seed) % 4];
        Sample {
            ids: (0..length).map(|index| (index * 7 + seed) as u32).collect(),
            kinds: (0..length).map(kind).collect(),
            is_predicted: (0..length).map(|index| !(index + seed).is_multiple_of(3)).collect(),
            unmerged_frame_tokens: Vec::new(),
        }
    }

    #[test]
    fn prompts_of_branches_end_at_the_same_column() {
        let samples = [sample(4, 0), sample(7, 1)];
        let batch = Batch::branching(&samples, 1, TokenKind::Action, 2, 3);
        assert_eq!((batch.rows, batch.length, batch.padding), (2, 7 + 6, 3));
        let [short, long] = [0, 1].map(|row| &batch.ids[row * 13..][..13]);
        assert_eq!(short, [&[1; 3], &samples[0].ids[..], &[0; 6]].concat());
        assert_eq!(long, [&samples[1].ids[..], &[0; 6]].concat());
        assert!([7, 20].iter().all(|first| batch.kinds[*first..][..6] == [TokenKind::Action; 6]));
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
        fn each_predicted_token_is_a_target_once(
            lengths in prop::collection::vec(prop::collection::vec(2..30_usize, 1..4), 1..5),
        ) {
            let rows: Vec<Vec<Sample>> = lengths
                .iter()
                .enumerate()
                .map(|(row, lengths)| lengths.iter().enumerate().map(|(at, l)| sample(*l, row * 5 + at)).collect())
                .collect();
            let batch = Batch::new(&rows, 1);
            let all: Vec<&Sample> = rows.iter().flatten().collect();
            prop_assert_eq!(batch.ids.len(), batch.rows * batch.length);
            prop_assert_eq!(batch.padding, batch.ids.len() - all.iter().map(|s| s.len() - 1).sum::<usize>());
            for kind in TokenKind::ALL {
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
