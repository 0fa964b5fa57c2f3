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
use crate::frames::{FrameAugmentation, FrameTokens, past_frame};
use crate::layout::{Content, Kind, Layout, Sample};
use crate::policy::Specification;
use crate::prompt::encode_instructions;
use crate::{Error, Result};

/// Demonstrations that are learned from or measured on.
pub(super) struct Demonstrations {
    sources: Vec<DemonstrationSource>,
    sampler: ClipSampler,
    instructions: HashMap<String, Vec<u32>>,
    frames: FrameTokens,
    specification: Specification,
    layout: Layout,
    /// Which numbers of an action stay what they were behind an episode's end, `[action]`.
    held: Vec<bool>,
    learn_padding: bool,
}

/// One moment of a demonstration.
pub(super) struct Moment {
    /// Tokens; a robot has those before the actions.
    pub(super) sample: Sample,
    /// What is done from there on, in the robot's units.
    pub(super) chunk: Chunk,
    /// `[states·state]`, normalised.
    pub(super) proprio: Vec<f32>,
}

impl Demonstrations {
    pub(super) fn new(
        sources: Vec<DemonstrationSource>,
        data: &DataConfig,
        (config, cache): (&FinetuneConfig, &Path),
        specification: &Specification,
        held: &[bool],
        layout: &Layout,
        text: &TextTokenizer,
    ) -> Result<Self> {
        let chosen = |source| {
            let DemonstrationSource { source, episodes, weight, .. }: &DemonstrationSource = source;
            (*weight, episodes.keys().map(|at| (*at, &source.episodes()[*at])).collect())
        };
        let weighted: Vec<(f64, Vec<(usize, &Episode)>)> = sources.iter().map(chosen).collect();
        // Every frame begins a sample: what lies behind the end is no motion.
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

    /// The moment at an address.
    pub(super) fn moment(
        &mut self,
        tokenizer: &TrainedTokenizer,
        address: ClipAddress,
        view: FrameAugmentation,
    ) -> Result<Moment> {
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
        let seen = (address.source, source.source.as_ref(), source.camera.as_str());
        let tokens = self.frames.of(tokenizer, seen, address.episode, view)?;
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
        Ok(Moment { sample, chunk, proprio })
    }

    /// Chunks on the model's scale, `[moments, horizon, action]`.
    pub(super) fn normalized_chunks(&self, moments: &[Moment]) -> Vec<f32> {
        let mut values: Vec<f64> =
            moments.iter().flat_map(|moment| moment.chunk.actions.iter().map(|value| f64::from(*value))).collect();
        self.specification.control.action.normalizer.normalize(&mut values);
        values.into_iter().map(|value| value as f32).collect()
    }

    /// Which actions count in the loss, `[moments, horizon]`: 1 or 0.
    pub(super) fn counts(&self, moments: &[Moment]) -> Vec<f32> {
        let is_real = moments.iter().flat_map(|moment| moment.chunk.is_real.iter());
        is_real.map(|is_real| if *is_real || self.learn_padding { 1.0 } else { 0.0 }).collect()
    }

    /// States of moments, if the policy sees them, `[moments, states, state]`.
    pub(super) fn proprio(&self, moments: &[Moment], device: &Device) -> Option<Tensor<3>> {
        let space = self.specification.control.proprio.as_ref()?;
        let values: Vec<f32> = moments.iter().flat_map(|moment| moment.proprio.iter().copied()).collect();
        let shape = [moments.len(), space.states, space.names.len()];
        Some(Tensor::from_data(TensorData::new(values, shape), &device.clone().without_autodiff()))
    }
}

/// States up to a step, the oldest first, normalised; at the beginning the first one stands for those before it.
fn past_states(states: &[f32], space: Option<&vipra_control::ProprioSpace>, step: usize) -> Vec<f32> {
    let Some(space) = space else { return Vec::new() };
    let width = space.names.len();
    let past = (0..space.states).rev().map(|age| step.saturating_sub(age));
    let mut values: Vec<f64> =
        past.flat_map(|at| states[at * width..][..width].iter().map(|value| f64::from(*value))).collect();
    space.normalizer.normalize(&mut values);
    values.into_iter().map(|value| value as f32).collect()
}

/// Nothing is learned from tokens of actions that the episode does not have.
fn forget_padding(sample: &mut Sample, chunk: &Chunk) {
    let tokens: Vec<usize> = (0..sample.len()).filter(|at| sample.kinds[*at] == Kind::Action).collect();
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
    fn a_policy_learns_from_the_states_that_it_will_be_shown() {
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
    fn a_policy_learns_from_the_frames_that_it_will_be_shown() {
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
    fn tokens_of_padding_are_not_predicted_where_they_are_not_learned() {
        let kinds = vec![Kind::Text, Kind::Action, Kind::Action, Kind::Action, Kind::Action, Kind::Text];
        let mut sample = Sample { ids: vec![0; 6], is_predicted: vec![true; 6], kinds, observed: Vec::new() };
        let chunk = Chunk { actions: vec![0.0; 4], is_real: vec![true, false] };
        forget_padding(&mut sample, &chunk);
        assert_eq!(sample.is_predicted, [true, true, true, false, false, true]);
    }
}
