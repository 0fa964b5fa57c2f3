//! From fields and contents to tokens.

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
    pub fn check(&self, vocabularies: &Vocabularies, name: impl FnOnce() -> String) -> Result<()> {
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

    fn push(&mut self, ids: impl IntoIterator<Item = u32>, kind: Kind, is_predicted: bool) {
        self.ids.extend(ids);
        self.kinds.resize(self.ids.len(), kind);
        self.is_predicted.resize(self.ids.len(), is_predicted);
    }
}

impl Layout {
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
    pub fn prefix(&self, text: &[u32]) -> Sample {
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
    pub fn up_to_actions(&self, sample: &Sample) -> Sample {
        let end = sample.kinds.iter().position(|kind| *kind == Kind::Action).unwrap_or(sample.len());
        Sample {
            ids: sample.ids[..end].to_vec(),
            kinds: sample.kinds[..end].to_vec(),
            is_predicted: sample.is_predicted[..end].to_vec(),
            observed: sample.observed.clone(),
        }
    }

    /// The marker that begins a field of this kind; none inside of another's.
    pub fn markers_before(&self, kind: Kind) -> Vec<u32> {
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
mod tests {
    use super::*;

    fn layout(fields: &str) -> Layout {
        let pair = |first: u32| [vec![first], vec![first + 1]];
        Layout {
            fields: fields.parse().unwrap(),
            markers: Markers { vision: pair(10), dynamics: pair(20), action: pair(30), proprio: pair(40) },
            ids: SpecialIds { begin: 1, end: 2, end_of_frame: 64, end_of_vision: 65, end_of_latent_action: 8 },
            merged: 1,
        }
    }

    fn content<'a>() -> Content<'a> {
        Content {
            text: &[1, 50, 51],
            frames: &[&[3, 4], &[5, 6]],
            latent_state: &[7, 9],
            latent_actions: &[0, 1, 2, 3],
            code_length: 2,
            ..Content::default()
        }
    }

    /// A sample in words: markers and text by their ids, frames and codes by name; `·` where nothing is learned.
    fn words(sample: &Sample) -> String {
        let word = |index: usize| {
            let id = sample.ids[index];
            let letter = match sample.kinds[index] {
                Kind::Text => "t",
                Kind::Vision => "v",
                Kind::LatentState => "s",
                Kind::LatentAction => "z",
                Kind::Proprio => "p",
                Kind::Action => "a",
            };
            format!("{}{letter}{id}", if sample.is_predicted[index] { "" } else { "·" })
        };
        (0..sample.len()).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_pretraining_sample_in_words() {
        let sample = layout("[instruction],[vision],latent_state,latent_action").sample(&content());
        assert_eq!(
            words(&sample),
            "·t1 ·t1 ·t50 ·t51 ·t10 ·v3 ·v4 ·v64 ·v5 ·v6 ·v64 s7 s9 s65 t11 t20 z0 z1 z8 z2 z3 z8 t21 t2"
        );
    }

    #[test]
    fn without_the_latent_state_the_last_frame_ends_the_vision() {
        let sample = layout("[instruction],[vision],latent_action").sample(&content());
        assert_eq!(
            words(&sample),
            "·t1 ·t1 ·t50 ·t51 ·t10 ·v3 ·v4 ·v64 ·v5 ·v6 ·v65 ·t11 t20 z0 z1 z8 z2 z3 z8 t21 t2"
        );
    }

    #[test]
    fn an_id_outside_of_its_vocabulary_is_named() {
        let sample = layout("[instruction],[vision],latent_state,latent_action").sample(&content());
        let vocabularies =
            Vocabularies { text: 60, vision: 66, latent_action: 9, frame_positions: 0, frame_grid: None };
        sample.check(&vocabularies, || unreachable!("all is well")).unwrap();
        let fewer = Vocabularies { latent_action: 8, ..vocabularies };
        let message = sample.check(&fewer, || "episode 3, frame 7".to_owned()).unwrap_err().to_string();
        assert_eq!(message, "episode 3, frame 7: token 18 is 8, but there are 8 ids of kind latent_action");
    }

    #[test]
    fn a_prompt_ends_where_the_prediction_begins() {
        let both = layout("[instruction],[vision],latent_state,latent_action");
        let whole = both.sample(&content());
        for (kind, length) in [(Kind::LatentState, 11), (Kind::LatentAction, 16)] {
            let prompt = both.prompt(&content(), kind);
            assert_eq!(prompt.len(), length);
            assert_eq!(prompt.ids, whole.ids[..length]);
            assert_eq!(prompt.kinds, whole.kinds[..length]);
        }
    }

    #[test]
    fn samples_begin_with_the_prefix_of_their_instruction() {
        let orders = [
            ("[instruction],[vision],[proprio],action", 5),
            ("[instruction],[proprio],[vision],action", 4),
            ("[vision],[instruction],[proprio],action", 2),
            ("[proprio],[vision],[instruction],action", 1),
        ];
        for (fields, length) in orders {
            let layout = layout(fields);
            let prefix = layout.prefix(&[1, 50, 51]).ids;
            for states in [0, 1, 3] {
                let whole = layout.sample(&Content { states, ..content() });
                assert!(whole.ids.starts_with(&prefix), "{fields}: {} and {prefix:?}", words(&whole));
            }
            assert_eq!(prefix.len(), length, "{fields}: {prefix:?}");
        }
    }

    #[test]
    fn merged_codes_stand_beside_the_tokens() {
        let merging = Layout { merged: 2, ..layout("[instruction],[vision],latent_state,latent_action") };
        let single = layout("[instruction],[vision],latent_state,latent_action");
        let (merged, single) = (merging.sample(&content()), single.sample(&content()));
        assert_eq!(merged.observed, [3, 4, 5, 6]);
        assert!(single.observed.is_empty());
        let count = |sample: &Sample, kind: Kind| sample.kinds.iter().filter(|other| **other == kind).count();
        assert_eq!([count(&single, Kind::Vision), count(&merged, Kind::Vision)], [6, 4]);
        assert_eq!(merged.len(), single.len() - 2);
        let predicted = |sample: &Sample| -> Vec<u32> {
            sample.ids.iter().zip(&sample.is_predicted).filter(|(_, is)| **is).map(|(id, _)| *id).collect()
        };
        assert_eq!(predicted(&merged), predicted(&single), "what is predicted stays the same");
    }
}
