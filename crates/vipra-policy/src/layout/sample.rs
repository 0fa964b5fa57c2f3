//! From fields and contents to tokens.

use vipra_tokenizer::TextTokenizer;

use super::{Content, Field, Fields, Kind, Markers, SpecialIds};
use crate::model::Vocabularies;
use crate::{Error, Result};

/// Fields, markers and special ids: everything about a layout but the contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What a sample consists of.
    pub fields: Fields,
    /// What stands around fields.
    pub markers: Markers,
    /// Ids with a meaning of their own.
    pub ids: SpecialIds,
    /// Codes of an observed frame that are one token; 1 where each is one.
    pub merged: usize,
}

/// Tokens of one sample; the vectors are equally long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Ids, each of the vocabulary of its kind.
    pub ids: Vec<u32>,
    /// What each token stands for.
    pub kinds: Vec<Kind>,
    /// Whether a loss is taken where the token is predicted.
    pub is_predicted: Vec<bool>,
    /// Codes of the observed frames, frame by frame, where several are one token, whose id then means nothing. Else empty.
    pub observed: Vec<u16>,
}

impl Sample {
    /// Tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Refuses ids that their vocabulary does not have; `name` is what people know the sample by.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] with the first of them.
    pub(crate) fn check(&self, vocabularies: &Vocabularies, name: impl FnOnce() -> String) -> Result<()> {
        let size = |kind: Kind| match kind {
            Kind::Text => vocabularies.text,
            Kind::Vision | Kind::LatentState => vocabularies.vision,
            Kind::LatentAction => vocabularies.latent_action,
            Kind::Proprio | Kind::Action => usize::MAX,
        };
        let observed = self.observed.iter().position(|code| usize::from(*code) >= vocabularies.vision);
        if let Some(position) = observed {
            let (id, size) = (self.observed[position].into(), vocabularies.vision);
            return Err(Error::Vocabulary { sample: name(), position, id, kind: Kind::Vision, size });
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

    /// Its first tokens.
    pub(crate) fn up_to(&self, end: usize) -> Self {
        let sees = self.kinds[..end].contains(&Kind::Vision);
        Self {
            ids: self.ids[..end].to_vec(),
            kinds: self.kinds[..end].to_vec(),
            is_predicted: self.is_predicted[..end].to_vec(),
            observed: if sees { self.observed.clone() } else { Vec::new() },
        }
    }

    fn push(&mut self, ids: impl IntoIterator<Item = u32>, kind: Kind, is_predicted: bool) {
        self.ids.extend(ids);
        self.kinds.resize(self.ids.len(), kind);
        self.is_predicted.resize(self.ids.len(), is_predicted);
    }
}

impl Layout {
    /// Of these fields, with the markers of a text tokenizer, for frames of so many codes, a codebook of so many latent actions,
    /// and `merged` codes of an observed frame in a token.
    ///
    /// # Errors
    /// What the text tokenizer says, which it never should.
    pub fn new(
        fields: Fields,
        text: &TextTokenizer,
        (frame_codes, action_codes): (usize, usize),
        merged: usize,
    ) -> Result<Self> {
        let ids = SpecialIds::behind(frame_codes, action_codes);
        Ok(Self { fields, markers: Markers::new(text)?, ids, merged })
    }

    /// A whole sample, as it is learned from.
    pub fn sample(&self, content: &Content<'_>) -> Sample {
        let mut sample = Sample::default();
        sample.push([self.ids.begin], Kind::Text, false);
        for field in self.fields.iter() {
            self.push_field(&mut sample, field, content);
        }
        sample.push([self.ids.end], Kind::Text, true);
        sample
    }

    /// The beginning of a sample, up to where the first field of `kind` begins, its marker included.
    pub fn prompt(&self, content: &Content<'_>, kind: Kind) -> Sample {
        let mut sample = Sample::default();
        sample.push([self.ids.begin], Kind::Text, false);
        for field in self.fields.iter().take_while(|field| field.kind != kind) {
            self.push_field(&mut sample, field, content);
        }
        sample.push(self.markers_before(kind), Kind::Text, false);
        sample
    }

    /// What a sample of this instruction begins with whatever is seen: its text, if that comes first, and the marker of the
    /// frames if they come next.
    pub(crate) fn prefix(&self, text: &[u32]) -> Sample {
        let mut sample = Sample::default();
        sample.push([self.ids.begin], Kind::Text, false);
        let content = Content { text, ..Content::default() };
        let mut behind = self.fields.iter().skip_while(|field| {
            let is_text = field.kind == Kind::Text;
            if is_text {
                self.push_field(&mut sample, field, &content);
            }
            is_text
        });
        if behind.next().is_some_and(|field| field.kind == Kind::Vision) {
            sample.push(self.markers_before(Kind::Vision), Kind::Text, false);
        }
        sample
    }

    /// The part of a sample before its first action: what a policy has read when it acts.
    pub(crate) fn up_to_actions(&self, sample: &Sample) -> Sample {
        sample.up_to(sample.kinds.iter().position(|kind| *kind == Kind::Action).unwrap_or(sample.len()))
    }

    /// The marker that begins a field of this kind; none inside of another's.
    fn markers_before(&self, kind: Kind) -> Vec<u32> {
        if kind == Kind::LatentState { Vec::new() } else { self.markers.around(kind)[0].to_vec() }
    }

    fn push_field(&self, sample: &mut Sample, field: &Field, content: &Content<'_>) {
        let (kind, is_predicted) = (field.kind, field.is_predicted);
        let goes_on = self.fields.has(Kind::LatentState);
        sample.push(self.markers_before(kind), Kind::Text, is_predicted);
        match kind {
            Kind::Text => sample.push(content.text.iter().copied(), kind, is_predicted),
            Kind::Vision => {
                let last = content.frames.len().saturating_sub(1);
                for (index, frame) in content.frames.iter().enumerate() {
                    let is_last = index == last && !goes_on;
                    let end = if is_last { self.ids.end_of_vision } else { self.ids.end_of_frame };
                    if self.merged > 1 {
                        sample.observed.extend_from_slice(frame);
                        sample.push(std::iter::repeat_n(0, frame.len() / self.merged), kind, false);
                    } else {
                        sample.push(frame.iter().map(|id| u32::from(*id)), kind, is_predicted);
                    }
                    sample.push([end], kind, is_predicted);
                }
            }
            Kind::LatentState => {
                let ids = content.latent_state.iter().map(|id| u32::from(*id));
                sample.push(ids.chain([self.ids.end_of_vision]), kind, is_predicted);
            }
            Kind::LatentAction => {
                for codes in content.latent_actions.chunks(content.code_length.max(1)) {
                    let codes = codes.iter().map(|code| u32::from(*code));
                    sample.push(codes.chain([self.ids.end_of_latent_action]), kind, is_predicted);
                }
            }
            Kind::Action => sample.push(content.actions.iter().copied(), kind, is_predicted),
            Kind::Proprio => sample.push(0..content.states as u32, kind, is_predicted),
        }
        // The latent state is inside the marker of the frames that it follows.
        let is_open = kind == Kind::Vision && goes_on;
        if !is_open {
            sample.push(self.markers.around(kind)[1].iter().copied(), Kind::Text, is_predicted);
        }
    }
}

#[cfg(test)]
mod tests;
