//! From fields and contents to tokens.

use std::ops::Range;

use vipra_tokenizer::TextTokenizer;

use super::{CodebookSizes, Content, Field, Fields, Markers, SpecialIds, Template, TokenKind};
use crate::model::Vocabularies;
use crate::{Error, Result};

/// Everything about samples but their contents: fields, markers and special ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLayout {
    /// The fields of a sample.
    pub fields: Fields,
    /// The texts around fields.
    pub markers: Markers,
    /// Ids with a meaning of their own.
    pub ids: SpecialIds,
    /// Tokens of an observed frame that the model merges into one; 1 where it reads each by itself.
    pub tokens_per_patch: usize,
}

/// Tokens of one sample; `ids`, `kinds` and `is_predicted` are equally long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Ids, each of the vocabulary of its kind.
    pub ids: Vec<u32>,
    /// What each token stands for.
    pub kinds: Vec<TokenKind>,
    /// Whether a loss is taken where the token is predicted.
    pub is_predicted: Vec<bool>,
    /// Tokens of the observed frames, frame by frame, for a model that merges patches of them: the sample then has one token of
    /// kind [`TokenKind::Vision`] a patch, whose id means nothing. Empty for other models.
    pub unmerged_frame_tokens: Vec<u16>,
}

impl Sample {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it has no tokens.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Refuses ids that their vocabulary does not have; `name` says which sample it is.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] with the first of them.
    pub(crate) fn check(&self, vocabularies: &Vocabularies, name: impl FnOnce() -> String) -> Result<()> {
        let size = |kind: TokenKind| match kind {
            TokenKind::Text => vocabularies.text,
            TokenKind::Vision | TokenKind::LatentState => vocabularies.vision,
            TokenKind::LatentAction => vocabularies.latent_action,
            TokenKind::Proprio | TokenKind::Action => usize::MAX,
        };
        let unmerged = self.unmerged_frame_tokens.iter().position(|id| usize::from(*id) >= vocabularies.vision);
        if let Some(position) = unmerged {
            let (id, size) = (self.unmerged_frame_tokens[position].into(), vocabularies.vision);
            return Err(Error::Vocabulary { sample: name(), position, id, kind: TokenKind::Vision, size });
        }
        let outside = self.ids.iter().zip(&self.kinds).position(|(id, kind)| *id as usize >= size(*kind));
        match outside {
            None => Ok(()),
            Some(position) => {
                let (id, kind) = (self.ids[position], self.kinds[position]);
                Err(Error::Vocabulary { sample: name(), position, id, kind, size: size(kind) })
            }
        }
    }

    /// Consecutive tokens of it, with all of its observed frames or none.
    pub(crate) fn part(&self, positions: Range<usize>) -> Self {
        let sees = self.kinds[positions.clone()].contains(&TokenKind::Vision);
        Self {
            ids: self.ids[positions.clone()].to_vec(),
            kinds: self.kinds[positions.clone()].to_vec(),
            is_predicted: self.is_predicted[positions].to_vec(),
            unmerged_frame_tokens: if sees { self.unmerged_frame_tokens.clone() } else { Vec::new() },
        }
    }

    fn push(&mut self, ids: impl IntoIterator<Item = u32>, kind: TokenKind, is_predicted: bool) {
        self.ids.extend(ids);
        self.kinds.resize(self.ids.len(), kind);
        self.is_predicted.resize(self.ids.len(), is_predicted);
    }
}

impl SampleLayout {
    /// The layout of samples of these fields, with the markers of a text tokenizer.
    ///
    /// # Errors
    /// Tokenizer failure; unreachable for valid tokenizers.
    pub fn new(
        fields: Fields,
        text: &TextTokenizer,
        codebooks: CodebookSizes,
        tokens_per_patch: usize,
    ) -> Result<Self> {
        Ok(Self { fields, markers: Markers::new(text)?, ids: SpecialIds::behind(codebooks), tokens_per_patch })
    }

    /// A whole sample, to learn from.
    pub fn sample(&self, content: &Content<'_>) -> Sample {
        let mut sample = Sample::default();
        sample.push([self.ids.begin], TokenKind::Text, false);
        for field in self.fields.iter() {
            self.push_field(&mut sample, field, content);
        }
        sample.push([self.ids.end], TokenKind::Text, true);
        sample
    }

    /// The beginning of a sample, up to the contents of the first field of `kind`; the field's marker is part of it.
    pub fn prompt(&self, content: &Content<'_>, kind: TokenKind) -> Sample {
        let mut sample = Sample::default();
        sample.push([self.ids.begin], TokenKind::Text, false);
        for field in self.fields.iter().take_while(|field| field.kind != kind) {
            self.push_field(&mut sample, field, content);
        }
        sample.push(self.markers_before(kind), TokenKind::Text, false);
        sample
    }

    /// A sample, or a part of one, in which latent state and latent actions are to be predicted.
    pub(crate) fn template(&self, sample: Sample) -> Template {
        Template::new(sample, self.ids)
    }

    /// What every sample of this instruction begins with, whatever is seen: its text, if that comes first, and the marker of
    /// the frames if they come next.
    pub(crate) fn prefix(&self, text: &[u32]) -> Sample {
        let mut sample = Sample::default();
        sample.push([self.ids.begin], TokenKind::Text, false);
        let content = Content { text, ..Content::default() };
        let mut behind = self.fields.iter().skip_while(|field| {
            let is_text = field.kind == TokenKind::Text;
            if is_text {
                self.push_field(&mut sample, field, &content);
            }
            is_text
        });
        if behind.next().is_some_and(|field| field.kind == TokenKind::Vision) {
            sample.push(self.markers_before(TokenKind::Vision), TokenKind::Text, false);
        }
        sample
    }

    /// The part of a sample before its first action: what a policy has read when it acts.
    pub(crate) fn up_to_actions(&self, sample: &Sample) -> Sample {
        sample.part(0..sample.kinds.iter().position(|kind| *kind == TokenKind::Action).unwrap_or(sample.len()))
    }

    /// The marker that begins a field of this kind; a latent state has none, because it continues the frames.
    fn markers_before(&self, kind: TokenKind) -> Vec<u32> {
        if kind == TokenKind::LatentState { Vec::new() } else { self.markers.around(kind)[0].to_vec() }
    }

    fn push_field(&self, sample: &mut Sample, field: &Field, content: &Content<'_>) {
        let (kind, is_predicted) = (field.kind, field.is_predicted);
        sample.push(self.markers_before(kind), TokenKind::Text, is_predicted);
        match kind {
            TokenKind::Text => sample.push(content.text.iter().copied(), kind, is_predicted),
            TokenKind::Vision => self.push_frames(sample, content.frames, is_predicted),
            TokenKind::LatentState => {
                let ids = content.latent_state.iter().map(|id| u32::from(*id));
                sample.push(ids.chain([self.ids.end_of_vision]), kind, is_predicted);
            }
            TokenKind::LatentAction => {
                for codes in content.latent_actions.chunks(content.code_length.max(1)) {
                    let codes = codes.iter().map(|code| u32::from(*code));
                    sample.push(codes.chain([self.ids.end_of_latent_action]), kind, is_predicted);
                }
            }
            TokenKind::Action => sample.push(content.actions.iter().copied(), kind, is_predicted),
            TokenKind::Proprio => sample.push(0..content.states as u32, kind, is_predicted),
        }
        // The latent state stands between the markers of the frames that it follows.
        let is_open = kind == TokenKind::Vision && self.fields.has(TokenKind::LatentState);
        if !is_open {
            sample.push(self.markers.around(kind)[1].iter().copied(), TokenKind::Text, is_predicted);
        }
    }

    /// Observed frames, each with the token that ends it.
    fn push_frames(&self, sample: &mut Sample, frames: &[&[u16]], is_predicted: bool) {
        let kind = TokenKind::Vision;
        let last = frames.len().saturating_sub(1);
        for (index, frame) in frames.iter().enumerate() {
            let ends_vision = index == last && !self.fields.has(TokenKind::LatentState);
            let end = if ends_vision { self.ids.end_of_vision } else { self.ids.end_of_frame };
            if self.tokens_per_patch > 1 {
                sample.unmerged_frame_tokens.extend_from_slice(frame);
                sample.push(std::iter::repeat_n(0, frame.len() / self.tokens_per_patch), kind, false);
            } else {
                sample.push(frame.iter().map(|id| u32::from(*id)), kind, is_predicted);
            }
            sample.push([end], kind, is_predicted);
        }
    }
}

#[cfg(test)]
mod tests;
