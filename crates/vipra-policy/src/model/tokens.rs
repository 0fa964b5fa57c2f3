//! Tokens in rows, as a model takes them.

use crate::layout::{Batch, Kind};
use crate::{Error, Result};

/// Tokens in rows.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Rows.
    pub rows: usize,
    /// Tokens, row by row.
    pub ids: &'a [u32],
    /// Kind of each.
    pub kinds: &'a [Kind],
    /// Codes of observed frames that are read merged (see [`Sample::observed`](crate::layout::Sample::observed)), row by row.
    pub observed: &'a [u16],
    /// What stands right before each row, in a cache.
    before: Option<Run>,
}

/// Tokens of one kind behind each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    kind: Kind,
    length: usize,
}

impl Run {
    /// The last tokens, as far as they are of one kind.
    pub(crate) fn at_end(kinds: &[Kind]) -> Option<Self> {
        let kind = *kinds.last()?;
        Some(Self { kind, length: kinds.iter().rev().take_while(|other| **other == kind).count() })
    }

    /// The last tokens once there are more.
    pub(crate) fn and_then(before: Option<Self>, kind: Kind, count: usize) -> Self {
        let more = before.filter(|run| run.kind == kind).map_or(0, |run| run.length);
        Self { kind, length: more + count }
    }
}

impl<'a> Tokens<'a> {
    /// Rows that begin with nothing, or behind a whole frame.
    pub fn new(rows: usize, ids: &'a [u32], kinds: &'a [Kind]) -> Self {
        Self { rows, ids, kinds, observed: &[], before: None }
    }

    /// The rows of a batch.
    pub fn of(batch: &'a Batch) -> Self {
        Self::new(batch.rows, &batch.ids, &batch.kinds).seeing(&batch.observed)
    }

    /// The same with the codes of the frames that are observed.
    pub fn seeing(self, observed: &'a [u16]) -> Self {
        Self { observed, ..self }
    }

    /// The same behind others.
    pub(crate) fn behind(self, before: Option<Run>) -> Self {
        Self { before, ..self }
    }

    /// Where tokens of some kinds stand.
    pub(super) fn positions(&self, kinds: &[Kind]) -> Vec<usize> {
        (0..self.ids.len()).filter(|position| kinds.contains(&self.kinds[*position])).collect()
    }

    /// Ids at some positions, as far as a vocabulary of this size has them.
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub(super) fn ids_at(&self, positions: &[usize], size: usize) -> Result<Vec<u32>> {
        let count = self.ids.len();
        let known = positions.iter().map(|position| {
            let (id, kind) = (self.ids[*position], self.kinds[*position]);
            if (id as usize) < size {
                return Ok(id);
            }
            let sample = format!("row {}", position * self.rows / count.max(1));
            let position = position % (count / self.rows.max(1)).max(1);
            Err(Error::Vocabulary { sample, position, id, kind, size })
        });
        known.collect()
    }

    /// Where the tokens of frames stand. Frames are `codes` codes each, and observed ones as many over `merged` tokens; then
    /// comes their end.
    ///
    /// # Errors
    /// [`Error::Invalid`] if observed frames are merged, and not all there.
    pub(super) fn in_frames(&self, codes: usize, merged: usize) -> Result<InFrames> {
        let mut found = InFrames::default();
        let mut position = 0;
        for row in self.kinds.chunks((self.kinds.len() / self.rows.max(1)).max(1)) {
            let mut before = self.before;
            for run in row.chunk_by(|a, b| a == b) {
                let done = before.take().filter(|before| before.kind == run[0]).map_or(0, |before| before.length);
                let is_merged = run[0] == Kind::Vision && merged > 1;
                let end = if is_merged { codes / merged } else { codes };
                if is_merged && (done > 0 || !run.len().is_multiple_of(end + 1)) {
                    let reason = "this model reads observed frames as a whole, and these tokens are no frames";
                    return Err(Error::Invalid(reason.to_owned()));
                }
                for at in done..done + run.len() {
                    match (run[0], at % (end + 1)) {
                        (Kind::Vision | Kind::LatentState, at) if at == end => found.push(position, codes),
                        (Kind::Vision, _) if is_merged => found.merged.push(position),
                        (Kind::Vision | Kind::LatentState, at) => found.push(position, at),
                        _ => {}
                    }
                    position += 1;
                }
            }
        }
        let (given, wanted) = (self.observed.len(), found.merged.len() * merged);
        if merged > 1 && given != wanted {
            return Err(Error::Invalid(format!("{given} codes of observed frames, where {wanted} belong")));
        }
        Ok(found)
    }
}

/// Where tokens of frames stand.
#[derive(Debug, Default, PartialEq)]
pub(super) struct InFrames {
    /// Positions of those that are read by themselves.
    pub(super) single: Vec<usize>,
    /// Place of each of these in its frame.
    pub(super) places: Vec<u32>,
    /// Positions of those that several codes are merged into.
    pub(super) merged: Vec<usize>,
}

impl InFrames {
    fn push(&mut self, position: usize, place: usize) {
        self.single.push(position);
        self.places.push(place as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Kind = Kind::Text;
    const V: Kind = Kind::Vision;
    const S: Kind = Kind::LatentState;

    #[test]
    fn places_begin_anew_with_each_frame_and_each_row() {
        let kinds = [T, V, V, V, S, S, S, V, T, V, V, T, V, V, V, V];
        let found = Tokens::new(2, &[0; 16], &kinds).in_frames(2, 1).unwrap();
        assert_eq!(found.places, [0, 1, 2, 0, 1, 2, 0, 0, 1, 0, 1, 2, 0]);
        assert_eq!(found.single, [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 14, 15]);
        assert!(found.merged.is_empty());
    }

    #[test]
    fn a_frame_goes_on_behind_a_cache() {
        let before = Run::at_end(&[T, V, V, V, S, S]);
        let places = |kinds: &[Kind]| {
            let ids = vec![0; kinds.len()];
            Tokens::new(1, &ids, kinds).behind(before).in_frames(2, 1).unwrap().places
        };
        assert_eq!(places(&[S, S]), [2, 0]);
        assert_eq!(places(&[V, V]), [0, 1], "of another kind");
        assert_eq!(places(&[T, S]), [0]);
        assert_eq!(Run::at_end(&[]), None);
        assert_eq!(Run::and_then(before, S, 3), Run { kind: S, length: 5 });
        assert_eq!(Run::and_then(before, T, 3), Run { kind: T, length: 3 });
    }

    #[test]
    fn observed_frames_are_merged_and_others_are_not() {
        let kinds = [T, V, V, V, V, S, S, S, S, S];
        let tokens = Tokens::new(1, &[0; 10], &kinds);
        let found = tokens.seeing(&[0; 8]).in_frames(4, 4).unwrap();
        assert_eq!(found.merged, [1, 3]);
        assert_eq!((found.single, found.places), (vec![2, 4, 5, 6, 7, 8, 9], vec![4, 4, 0, 1, 2, 3, 4]));

        let message = |tokens: Tokens<'_>| tokens.in_frames(4, 4).unwrap_err().to_string();
        assert!(message(tokens.seeing(&[0; 7])).contains("7 codes of observed frames, where 8 belong"));
        assert!(message(Tokens::new(1, &[0; 3], &[V, V, V])).contains("no frames"));
        assert!(message(Tokens::new(1, &[0; 2], &[V, V]).behind(Run::at_end(&[V]))).contains("as a whole"));
    }
}
