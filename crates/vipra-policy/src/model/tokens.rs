//! Tokens in rows, in the form in which a model takes them.

use std::slice::Chunks;

use crate::layout::{Batch, TokenKind};
use crate::{Error, Result};

/// Tokens in rows of equal length.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Ids, row by row.
    pub ids: &'a [u32],
    /// Kind of each token.
    pub kinds: &'a [TokenKind],
    /// Tokens of observed frames that the model merges (see
    /// [`Sample::unmerged_frame_tokens`](crate::layout::Sample::unmerged_frame_tokens)), row by row.
    pub unmerged_frame_tokens: &'a [u16],
}

/// The tokens of one kind that a row ends with: a frame that has begun in them continues behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KindRun {
    kind: TokenKind,
    length: usize,
}

impl KindRun {
    /// The last tokens of a row that ended with `before` once tokens of these kinds are appended.
    fn after(before: Option<Self>, kinds: &[TokenKind]) -> Option<Self> {
        let kind = kinds.last().copied()?;
        let length = kinds.iter().rev().take_while(|other| **other == kind).count();
        let continued = before.filter(|run| run.kind == kind && length == kinds.len());
        Some(Self { kind, length: continued.map_or(0, |run| run.length) + length })
    }
}

impl<'a> Tokens<'a> {
    /// Rows of tokens.
    pub fn new(rows: usize, ids: &'a [u32], kinds: &'a [TokenKind]) -> Self {
        Self { rows, ids, kinds, unmerged_frame_tokens: &[] }
    }

    /// The rows of a batch.
    pub fn of(batch: &'a Batch) -> Self {
        Self::new(batch.rows, &batch.ids, &batch.kinds).with_unmerged(&batch.unmerged_frame_tokens)
    }

    /// The same with the tokens of observed frames that are merged.
    pub fn with_unmerged(self, unmerged_frame_tokens: &'a [u16]) -> Self {
        Self { unmerged_frame_tokens, ..self }
    }

    /// Tokens of a row.
    pub(super) fn row_length(&self) -> usize {
        self.ids.len() / self.rows.max(1)
    }

    /// Positions of the tokens of some kinds.
    pub(super) fn positions(&self, kinds: &[TokenKind]) -> Vec<usize> {
        (0..self.ids.len()).filter(|position| kinds.contains(&self.kinds[*position])).collect()
    }

    /// Ids at some positions, of a vocabulary of `size` ids.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for an id that the vocabulary does not have.
    pub(super) fn ids_at(&self, positions: &[usize], size: usize) -> Result<Vec<u32>> {
        let known = positions.iter().map(|position| {
            let (id, kind) = (self.ids[*position], self.kinds[*position]);
            if (id as usize) < size {
                return Ok(id);
            }
            let length = self.row_length().max(1);
            let (sample, position) = (format!("row {}", position / length), position % length);
            Err(Error::Vocabulary { sample, position, id, kind, size })
        });
        known.collect()
    }

    /// What rows that ended with `before` end with once these tokens are appended.
    pub(super) fn last_runs(&self, before: &[KindRun]) -> Vec<KindRun> {
        if self.kinds.is_empty() {
            return before.to_vec();
        }
        let rows = self.kinds_by_row().enumerate();
        rows.filter_map(|(row, kinds)| KindRun::after(before.get(row).copied(), kinds)).collect()
    }

    /// The positions of frames' tokens. A frame has `tokens_per_frame` tokens and one that ends it; an observed frame has one
    /// token for each `tokens_per_patch` of them. `before` is what each row of a cache ends with, behind which the tokens stand.
    ///
    /// # Errors
    /// [`Error::Invalid`] if observed frames are merged and not complete.
    pub(super) fn locate_frames(
        &self,
        tokens_per_frame: usize,
        tokens_per_patch: usize,
        before: &[KindRun],
    ) -> Result<FrameLocations> {
        let mut found = FrameLocations::default();
        let mut position = 0;
        for (row, kinds) in self.kinds_by_row().enumerate() {
            let mut before = before.get(row).copied();
            for run in kinds.chunk_by(|a, b| a == b) {
                let done = before.take().filter(|before| before.kind == run[0]).map_or(0, |before| before.length);
                let is_merged = run[0] == TokenKind::Vision && tokens_per_patch > 1;
                let end = if is_merged { tokens_per_frame / tokens_per_patch } else { tokens_per_frame };
                if is_merged && (done > 0 || !run.len().is_multiple_of(end + 1)) {
                    let reason = "this model reads observed frames as a whole, and these tokens are no frames";
                    return Err(Error::Invalid(reason.to_owned()));
                }
                for at in done..done + run.len() {
                    match (run[0], at % (end + 1)) {
                        (TokenKind::Vision | TokenKind::LatentState, at) if at == end => {
                            found.push(position, tokens_per_frame);
                        }
                        (TokenKind::Vision, _) if is_merged => found.merged.push(position),
                        (TokenKind::Vision | TokenKind::LatentState, at) => found.push(position, at),
                        _ => {}
                    }
                    position += 1;
                }
            }
        }
        let (given, wanted) = (self.unmerged_frame_tokens.len(), found.merged.len() * tokens_per_patch);
        if tokens_per_patch > 1 && given != wanted {
            return Err(Error::Invalid(format!("{given} tokens of observed frames, where {wanted} belong")));
        }
        Ok(found)
    }

    fn kinds_by_row(&self) -> Chunks<'a, TokenKind> {
        self.kinds.chunks(self.row_length().max(1))
    }
}

/// The positions of frames' tokens.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FrameLocations {
    /// Positions of tokens that are read by themselves.
    pub(super) single: Vec<usize>,
    /// The place of each of these in its frame.
    pub(super) places: Vec<u32>,
    /// Positions of tokens that stand for a patch of several.
    pub(super) merged: Vec<usize>,
}

impl FrameLocations {
    fn push(&mut self, position: usize, place: usize) {
        self.single.push(position);
        self.places.push(place as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TokenKind = TokenKind::Text;
    const V: TokenKind = TokenKind::Vision;
    const S: TokenKind = TokenKind::LatentState;

    fn last_runs(rows: usize, kinds: &[TokenKind], before: &[KindRun]) -> Vec<KindRun> {
        Tokens::new(rows, &vec![0; kinds.len()], kinds).last_runs(before)
    }

    #[test]
    fn places_start_over_with_each_frame_and_each_row() {
        let kinds = [T, V, V, V, S, S, S, V, T, V, V, T, V, V, V, V];
        let found = Tokens::new(2, &[0; 16], &kinds).locate_frames(2, 1, &[]).unwrap();
        assert_eq!(found.places, [0, 1, 2, 0, 1, 2, 0, 0, 1, 0, 1, 2, 0]);
        assert_eq!(found.single, [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 14, 15]);
        assert!(found.merged.is_empty());
    }

    #[test]
    fn a_frame_continues_behind_a_cache() {
        let before = last_runs(1, &[T, V, V, V, S, S], &[]);
        let places = |kinds: &[TokenKind]| {
            let ids = vec![0; kinds.len()];
            Tokens::new(1, &ids, kinds).locate_frames(2, 1, &before).unwrap().places
        };
        assert_eq!(places(&[S, S]), [2, 0]);
        assert_eq!(places(&[V, V]), [0, 1], "of another kind");
        assert_eq!(places(&[T, S]), [0]);
    }

    #[test]
    fn a_run_grows_with_tokens_of_its_kind_alone() {
        let run = |kind, length| KindRun { kind, length };
        let before = last_runs(1, &[T, S, S], &[]);
        assert_eq!(before, [run(S, 2)]);
        assert_eq!(last_runs(1, &[S, S, S], &before), [run(S, 5)]);
        assert_eq!(last_runs(1, &[T, T], &before), [run(T, 2)]);
        assert_eq!(last_runs(1, &[], &before), before);
        assert_eq!(last_runs(1, &[S, T, S], &before), [run(S, 1)]);
    }

    #[test]
    fn rows_continue_the_frames_that_they_end_with() {
        let before = last_runs(2, &[T, V, V, V, V, T], &[]);
        let kinds = [V, V, V, V];
        let found = Tokens::new(2, &[0; 4], &kinds).locate_frames(3, 1, &before).unwrap();
        assert_eq!(found.places, [2, 3, 0, 1]);
    }

    #[test]
    fn observed_frames_are_merged_and_others_are_not() {
        let kinds = [T, V, V, V, V, S, S, S, S, S];
        let tokens = Tokens::new(1, &[0; 10], &kinds);
        let found = tokens.with_unmerged(&[0; 8]).locate_frames(4, 4, &[]).unwrap();
        assert_eq!(found.merged, [1, 3]);
        assert_eq!((found.single, found.places), (vec![2, 4, 5, 6, 7, 8, 9], vec![4, 4, 0, 1, 2, 3, 4]));

        let message =
            |tokens: Tokens<'_>, before: &[KindRun]| tokens.locate_frames(4, 4, before).unwrap_err().to_string();
        assert!(message(tokens.with_unmerged(&[0; 7]), &[]).contains("7 tokens of observed frames, where 8 belong"));
        assert!(message(Tokens::new(1, &[0; 3], &[V, V, V]), &[]).contains("no frames"));
        let behind_a_frame = last_runs(1, &[V], &[]);
        assert!(message(Tokens::new(1, &[0; 2], &[V, V]), &behind_a_frame).contains("as a whole"));
    }
}
