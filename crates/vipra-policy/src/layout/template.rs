//! Samples of which some tokens are still to be predicted.

use std::ops::Range;

use super::{Sample, SpecialIds, TokenKind};

/// A sample of which some tokens are not known: a model predicts them one after the other, each from all that come before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its ids mean nothing where they are predicted.
    pub(crate) sample: Sample,
    /// What is predicted, in the order of the positions.
    pub(crate) predicted: Vec<PredictedRun>,
}

/// Consecutive tokens of one kind that are all predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PredictedRun {
    pub(crate) kind: TokenKind,
    /// Positions in the sample.
    pub(crate) positions: Range<usize>,
    /// The tokens are among the first `codes` of their vocabulary.
    pub(crate) codes: usize,
}

impl Template {
    /// Codes of latent states and latent actions are predicted. What ends a frame or a transition can only be one token, and
    /// is known, as is everything else.
    pub(crate) fn new(sample: Sample, ids: SpecialIds) -> Self {
        let mut predicted: Vec<PredictedRun> = Vec::new();
        for (position, (id, kind)) in sample.ids.iter().zip(&sample.kinds).enumerate() {
            let (codes, end) = match kind {
                TokenKind::LatentState => (ids.frame_codes(), ids.end_of_vision),
                TokenKind::LatentAction => (ids.latent_action_codes(), ids.end_of_latent_action),
                TokenKind::Text | TokenKind::Vision | TokenKind::Proprio | TokenKind::Action => continue,
            };
            if *id == end {
                continue;
            }
            match predicted.last_mut() {
                Some(run) if run.kind == *kind && run.positions.end == position => run.positions.end += 1,
                _ => predicted.push(PredictedRun { kind: *kind, positions: position..position + 1, codes }),
            }
        }
        Self { sample, predicted }
    }

    /// Whether tokens of the same kinds are known and predicted in both.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.sample.kinds == other.sample.kinds && self.predicted == other.predicted
    }

    /// Positions from the first predicted token to the last; none where nothing is predicted.
    pub(crate) fn predicted_span(&self) -> Option<Range<usize>> {
        Some(self.predicted.first()?.positions.start..self.predicted.last()?.positions.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: SpecialIds =
        SpecialIds { begin: 1, end: 2, end_of_frame: 64, end_of_vision: 65, end_of_latent_action: 8 };

    #[test]
    fn codes_are_predicted_and_what_ends_them_is_known() {
        let (text, state, action) = (TokenKind::Text, TokenKind::LatentState, TokenKind::LatentAction);
        let tokens = [
            (8, text),
            (3, TokenKind::Vision),
            (0, state),
            (7, state),
            (65, state),
            (0, action),
            (5, action),
            (8, action),
            (0, action),
            (8, action),
            (2, text),
        ];
        let (ids, kinds): (Vec<u32>, Vec<TokenKind>) = tokens.into_iter().unzip();
        let sample = Sample { is_predicted: vec![true; ids.len()], ids, kinds, ..Sample::default() };
        let template = Template::new(sample, IDS);
        let run = |kind, positions, codes| PredictedRun { kind, positions, codes };
        assert_eq!(template.predicted, [run(state, 2..4, 64), run(action, 5..7, 8), run(action, 8..9, 8)]);
        assert_eq!(template.predicted_span(), Some(2..9));
    }

    #[test]
    fn a_sample_of_known_tokens_predicts_nothing() {
        let kinds = vec![TokenKind::Text, TokenKind::Vision, TokenKind::Proprio, TokenKind::Action];
        let sample = Sample { ids: vec![0; 4], kinds, is_predicted: vec![true; 4], ..Sample::default() };
        assert_eq!(Template::new(sample, IDS).predicted_span(), None);
    }
}
