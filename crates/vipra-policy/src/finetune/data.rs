//! Samples of demonstrations: what a policy sees, and the chunk of actions that followed.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use vipra_data::DataConfig;
use vipra_data::clip::{ClipAddress, ClipConfig, ClipSampler};
use vipra_data::source::Episode;
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};

use super::chunk::{Chunk, cut};
use super::config::FinetuneConfig;
use super::numbers::DemonstrationSource;
use crate::frames::{CameraSource, FrameAugmentation, FrameTokens, past_frame};
use crate::layout::{Content, Sample, SampleLayout, TokenKind};
use crate::policy::Specification;
use crate::prompt::encode_instructions;
use crate::{Error, Result};

/// How samples are made of demonstrations.
#[derive(Clone, Copy)]
pub(super) struct SampleSettings<'a> {
    pub(super) data: &'a DataConfig,
    pub(super) config: &'a FinetuneConfig,
    /// Where tokens of augmented frames are kept for other runs.
    pub(super) cache: &'a Path,
    pub(super) specification: &'a Specification,
    /// Which numbers of an action keep their last value behind an episode's end, `[action_dim]`.
    pub(super) held: &'a [bool],
    pub(super) layout: &'a SampleLayout,
    /// Tokenizer of the instructions.
    pub(super) text: &'a TextTokenizer,
}

/// Demonstrations that are learned from or measured on.
pub(super) struct Demonstrations {
    sources: Vec<DemonstrationSource>,
    sampler: ClipSampler,
    instructions: HashMap<String, Vec<u32>>,
    frames: FrameTokens,
    specification: Specification,
    layout: SampleLayout,
    /// Which numbers of an action keep their last value behind an episode's end, `[action_dim]`.
    held: Vec<bool>,
    learn_padding: bool,
}

/// One moment of a demonstration as tokens and numbers.
pub(super) struct DemonstrationSample {
    /// Tokens, of which a robot has those before the actions.
    pub(super) sample: Sample,
    /// The actions from there on, in the robot's units.
    pub(super) chunk: Chunk,
    /// `[states·state_dim]`, normalised.
    pub(super) proprio: Vec<f32>,
}

impl Demonstrations {
    /// Samples of datasets.
    ///
    /// # Errors
    /// [`Error::Data`] if the episodes have no samples; tokenizer failure.
    pub(super) fn new(sources: Vec<DemonstrationSource>, settings: SampleSettings<'_>) -> Result<Self> {
        let SampleSettings { data, config, cache, specification, held, layout, text } = settings;
        let chosen = |source| {
            let DemonstrationSource { source, episodes, weight, .. }: &DemonstrationSource = source;
            (*weight, episodes.keys().map(|at| (*at, &source.episodes()[*at])).collect())
        };
        let weighted: Vec<(f64, Vec<(usize, &Episode)>)> = sources.iter().map(chosen).collect();
        // Every frame begins a sample, because behind an episode's end there is no motion.
        let clip = ClipConfig { frames: 1, min_real_frames: 1, ..data.clip };
        let sampler = ClipSampler::new(data.seed, &weighted, &clip)?;
        let tasks: BTreeSet<&str> = weighted
            .iter()
            .flat_map(|(_, episodes)| episodes.iter().filter_map(|(_, episode)| episode.instruction()))
            .collect();
        let instructions = encode_instructions(tasks, text, config.instruction_tokens)?;
        Ok(Self {
            sampler,
            instructions,
            frames: FrameTokens::new(config.augmentation, data.seed, cache.to_path_buf()),
            specification: specification.clone(),
            layout: layout.clone(),
            held: held.to_vec(),
            learn_padding: config.learn_padding,
            sources,
        })
    }

    /// Which sample comes when.
    pub(super) fn sampler(&self) -> &ClipSampler {
        &self.sampler
    }

    /// The sample at an address.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for an id that its vocabulary does not have; frames that cannot be read.
    pub(super) fn sample(
        &mut self,
        tokenizer: &TrainedTokenizer,
        address: ClipAddress,
        view: FrameAugmentation,
    ) -> Result<DemonstrationSample> {
        let source = &self.sources[address.source];
        let episode = &source.source.episodes()[address.episode];
        let numbers = source.episodes.get(&address.episode);
        let numbers = numbers.ok_or_else(|| Error::Invalid(format!("episode {} is not open", episode.name)))?;
        let control = &self.specification.control;
        let chunk = cut(&numbers.actions, &self.held, address.start, control.horizon);
        let proprio = past_states(&numbers.states, control.proprio.as_ref(), address.start);
        let actions = match &self.specification.bins {
            None => (0..control.horizon as u32).collect(),
            Some(bins) => bins.encode(&chunk.actions.iter().map(|value| f64::from(*value)).collect::<Vec<_>>()),
        };
        let past = past_frame(address.start, control.frame_interval_secs, episode.fps);
        let ahead = (address.start + control.horizon).min(episode.length.saturating_sub(1));
        let text = self.instructions.get(episode.instruction().unwrap_or_default());
        let camera = CameraSource { number: address.source, source: source.source.as_ref(), camera: &source.camera };
        let tokens = self.frames.of(tokenizer, camera, address.episode, view)?;
        let length = self.specification.frames.length;
        let frame = |at: usize| &tokens[at * length..][..length];
        let content = Content {
            text: text.map_or(&[][..], Vec::as_slice),
            frames: &[frame(past), frame(address.start)],
            latent_state: frame(ahead),
            actions: &actions,
            states: control.proprio.as_ref().map_or(0, |proprio| proprio.states),
            ..Content::default()
        };
        let mut sample = self.layout.sample(&content);
        if !self.learn_padding {
            forget_padding(&mut sample, &chunk);
        }
        sample
            .check(&self.specification.vocabularies, || format!("episode {}, frame {}", episode.name, address.start))?;
        Ok(DemonstrationSample { sample, chunk, proprio })
    }

    /// Normalised chunks, `[samples, horizon, action_dim]`.
    pub(super) fn normalized_chunks(&self, samples: &[DemonstrationSample]) -> Vec<f32> {
        let mut values: Vec<f64> =
            samples.iter().flat_map(|sample| sample.chunk.actions.iter().map(|value| f64::from(*value))).collect();
        self.specification.control.action.normalizer.normalize(&mut values);
        values.into_iter().map(|value| value as f32).collect()
    }

    /// 1 for actions that count in the loss and 0 for others, `[samples, horizon]`.
    pub(super) fn counts(&self, samples: &[DemonstrationSample]) -> Vec<f32> {
        let is_real = samples.iter().flat_map(|sample| sample.chunk.is_real.iter());
        is_real.map(|is_real| if *is_real || self.learn_padding { 1.0 } else { 0.0 }).collect()
    }

    /// Normalised states, `[samples, states, state_dim]`, if the policy sees them.
    pub(super) fn proprio(&self, samples: &[DemonstrationSample], device: &Device) -> Option<Tensor<3>> {
        let space = self.specification.control.proprio.as_ref()?;
        let values: Vec<f32> = samples.iter().flat_map(|sample| sample.proprio.iter().copied()).collect();
        let shape = [samples.len(), space.states, space.names.len()];
        Some(Tensor::from_data(TensorData::new(values, shape), &device.clone().without_autodiff()))
    }
}

/// Normalised states up to a step, the oldest first, `[states·state_dim]`. The first state stands for those before it.
fn past_states(states: &[f32], space: Option<&vipra_control::ProprioSpace>, step: usize) -> Vec<f32> {
    let Some(space) = space else { return Vec::new() };
    let width = space.names.len();
    let past = (0..space.states).rev().map(|age| step.saturating_sub(age));
    let mut values: Vec<f64> =
        past.flat_map(|at| states[at * width..][..width].iter().map(|value| f64::from(*value))).collect();
    space.normalizer.normalize(&mut values);
    values.into_iter().map(|value| value as f32).collect()
}

/// Takes no loss of the tokens of actions that the episode does not have.
fn forget_padding(sample: &mut Sample, chunk: &Chunk) {
    let tokens: Vec<usize> = (0..sample.len()).filter(|at| sample.kinds[*at] == TokenKind::Action).collect();
    let per_action = tokens.len() / chunk.is_real.len().max(1);
    for (token, is_real) in tokens.chunks(per_action.max(1)).zip(&chunk.is_real) {
        token.iter().filter(|_| !is_real).for_each(|at| sample.is_predicted[*at] = false);
    }
}

#[cfg(test)]
mod tests {
    use vipra_control::History;

    use super::*;
    use crate::fixtures::{frame_tokenizer, picture, specification, text_tokenizer};
    use crate::model::ActionDecoder;

    #[test]
    fn training_states_match_those_of_inference() {
        let (tokenizer, text) = (frame_tokenizer(), text_tokenizer());
        let control = specification(ActionDecoder::FlowMatching, Some(3), &tokenizer, &text).control;
        let states: Vec<f32> = (0..8).map(|step| 0.5 * step as f32 - 1.0).collect();
        for step in [0, 1, 5] {
            let mut history = History::new(&control);
            for (past, state) in states.iter().enumerate().take(step + 1) {
                history.push(past as f64 / control.control_rate_hz, picture(past), vec![*state]);
            }
            let shown = history.observe("put it down").unwrap().proprio.concat();
            assert_eq!(past_states(&states, control.proprio.as_ref(), step), shown, "at step {step}");
        }
    }

    #[test]
    fn training_frames_match_those_of_inference() {
        let (tokenizer, text) = (frame_tokenizer(), text_tokenizer());
        let mut control = specification(ActionDecoder::FlowMatching, None, &tokenizer, &text).control;
        for secs in [0.3, 0.4, 0.5] {
            control.frame_interval_secs = secs;
            let mut history = History::new(&control);
            for step in 0..9 {
                history.push(step as f64 / control.control_rate_hz, picture(step), Vec::new());
                let [past, now] = history.observe("put it down").unwrap().frames;
                let expected = past_frame(step, secs, control.control_rate_hz);
                assert_eq!((past, now), (picture(expected), picture(step)), "{secs} s before step {step}");
            }
        }
    }

    #[test]
    fn forgotten_padding_is_not_predicted() {
        let kinds = [vec![TokenKind::Text], vec![TokenKind::Action; 4], vec![TokenKind::Text]].concat();
        let mut sample = Sample { ids: vec![0; 6], is_predicted: vec![true; 6], kinds, ..Sample::default() };
        let chunk = Chunk { actions: vec![0.0; 4], is_real: vec![true, false] };
        forget_padding(&mut sample, &chunk);
        assert_eq!(sample.is_predicted, [true, true, true, false, false, true]);
    }
}
