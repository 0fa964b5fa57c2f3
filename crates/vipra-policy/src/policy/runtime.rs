//! Inference of a policy.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vipra_control::{ActionChunk, MAX_INSTRUCTION_BYTES, Observation, Policy, PolicyDescription};
use vipra_data::Frame;
use vipra_data::picture::Resizer;
use vipra_nn::threads::on_a_worker;
use vipra_tokenizer::{TextTokenizer, TrainedTokenizer};

use super::decoder::{ChunkDecoder, Prefix};
use super::specification::Specification;
use crate::layout::{Content, Sample, SampleLayout, TokenKind};
use crate::model::PolicyModel;
use crate::prompt::prompt;
use crate::{Error, Result};

/// Instructions whose keys and values are kept.
const KEPT_INSTRUCTIONS: usize = 16;

/// How far a normalised state may be from zero. A state further away stands for a missing reading, and would overflow in the
/// model.
const FARTHEST_STATE: f64 = 1e9;

/// A finetuned policy, ready for use.
#[derive(Debug)]
pub struct TrainedPolicy {
    model: PolicyModel,
    specification: Specification,
    text: TextTokenizer,
    tokenizer: TrainedTokenizer,
    layout: SampleLayout,
    instructions: HashMap<String, Instruction>,
    seed: u64,
    random: ChaCha8Rng,
    device: Device,
}

/// An instruction that was read.
#[derive(Debug, Clone)]
struct Instruction {
    tokens: Vec<u32>,
    prefix: Prefix,
}

/// An observation as tokens and numbers.
struct Seen {
    /// Tokens of both frames, by crop.
    frames: Vec<[Vec<u16>; 2]>,
    /// `[states·state_dim]`, normalised.
    proprio: Vec<f32>,
}

impl TrainedPolicy {
    /// Assembles a policy.
    ///
    /// # Errors
    /// Tokenizer failure; unreachable for valid tokenizers.
    pub fn new(
        model: PolicyModel,
        specification: Specification,
        text: TextTokenizer,
        tokenizer: TrainedTokenizer,
    ) -> Result<Self> {
        let device = vipra_nn::device::of(&model);
        Ok(Self {
            layout: specification.layout(&text)?,
            model,
            specification,
            text,
            tokenizer,
            instructions: HashMap::new(),
            seed: 0,
            random: ChaCha8Rng::seed_from_u64(0),
            device,
        })
    }

    /// Draws from this seed from now on, and again after each reset.
    pub fn seed(&mut self, seed: u64) {
        self.seed = seed;
        self.random = ChaCha8Rng::seed_from_u64(seed);
    }

    /// The decoder of its chunks.
    fn decoder(&self) -> ChunkDecoder<'_> {
        let crops = self.specification.control.crops;
        ChunkDecoder { model: &self.model, specification: &self.specification, layout: &self.layout, crops }
    }

    /// The prompt of what is seen under a crop: everything up to where the actions begin.
    fn prompt(&self, text: &[u32], frames: &[Vec<u16>; 2]) -> Sample {
        let states = self.specification.control.proprio.as_ref().map_or(0, |proprio| proprio.states);
        // Imagined, if the samples have one.
        let latent_state = vec![0; self.specification.frames.length];
        let frames = [&frames[0][..], &frames[1][..]];
        let content = Content { text, frames: &frames, latent_state: &latent_state, states, ..Content::default() };
        self.layout.prompt(&content, TokenKind::Action)
    }

    /// Checks observations and turns them into tokens and numbers; all frames are encoded together.
    fn look(&self, observations: &[Observation]) -> Vec<vipra_control::Result<Seen>> {
        let states: Vec<_> = observations.iter().map(|observation| self.proprio(observation)).collect();
        let fine = observations.iter().zip(&states).filter(|(_, state)| state.is_ok());
        let frames: Vec<&Frame> = fine.flat_map(|(observation, _)| &observation.frames).collect();
        let mut tokens = self.encode(&frames).map(Vec::into_iter);
        let seen = states.into_iter().map(|state| {
            let proprio = state?;
            let tokens = tokens.as_mut().map_err(|error| vipra_control::Error::Policy(error.to_string().into()))?;
            let frames = tokens.next().zip(tokens.next());
            let (past, now) = frames.ok_or_else(|| vipra_control::Error::observation("frames", "were not encoded"))?;
            Ok(Seen { frames: past.into_iter().zip(now).map(<[_; 2]>::from).collect(), proprio })
        });
        seen.collect()
    }

    /// Refuses observations that no model can read, and normalises states, `[states·state_dim]`.
    fn proprio(&self, observation: &Observation) -> vipra_control::Result<Vec<f32>> {
        for frame in &observation.frames {
            if frame.pixels().is_empty() {
                let reason = format!("a picture of {}×{} pixels", frame.width(), frame.height());
                return Err(vipra_control::Error::observation("frames", reason));
            }
        }
        let bytes = observation.instruction.len();
        if bytes > MAX_INSTRUCTION_BYTES {
            let reason = format!("{bytes} bytes, at most {MAX_INSTRUCTION_BYTES} are read");
            return Err(vipra_control::Error::observation("instruction", reason));
        }
        let Some(space) = &self.specification.control.proprio else { return Ok(Vec::new()) };
        observation.check_proprio(space.states, space.names.len())?;
        let mut values: Vec<f64> = observation.proprio.iter().flatten().map(|value| f64::from(*value)).collect();
        space.normalizer.normalize(&mut values);
        if let Some(at) = values.iter().position(|value| value.abs() > FARTHEST_STATE) {
            let (state, number) = (at / space.names.len(), at % space.names.len());
            let reason = format!(
                "`{}` of state {state} is {}, {:.0e} scales away from what was learned from",
                space.names[number], observation.proprio[state][number], values[at]
            );
            return Err(vipra_control::Error::observation("proprio", reason));
        }
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// Tokens of each frame, by crop: `[frames, crops, tokens_per_frame]`. Equal frames in a row are encoded once.
    fn encode(&self, frames: &[&Frame]) -> Result<Vec<Vec<Vec<u16>>>> {
        let image = self.specification.image;
        let size = 3 * image.width * image.height;
        let crops = self.specification.seen();
        let mut resizer = Resizer::new(image);
        let mut pixels = Vec::new();
        let mut places = Vec::with_capacity(frames.len());
        for (index, frame) in frames.iter().enumerate() {
            if index == 0 || frames[index - 1] != *frame {
                for crop in &crops {
                    pixels.resize(pixels.len() + size, 0);
                    let start = pixels.len() - size;
                    resizer.resize(frame, *crop, &mut pixels[start..])?;
                }
            }
            places.push(pixels.len() / size - crops.len());
        }
        let tokens = self.tokenizer.encode_bytes(&pixels);
        let length = self.specification.frames.length;
        let tokens: Vec<Vec<u16>> = tokens.chunks(length).map(<[u16]>::to_vec).collect();
        Ok(places.into_iter().map(|place| tokens[place..][..crops.len()].to_vec()).collect())
    }

    /// Reads an instruction, unless it was read before.
    fn instruction(&mut self, instruction: &str) -> Result<Instruction> {
        if let Some(known) = self.instructions.get(instruction) {
            return Ok(known.clone());
        }
        let mut tokens = self.text.encode(&prompt(instruction))?;
        let limit = self.specification.instruction_tokens;
        if tokens.len() > limit {
            tracing::warn!("an instruction of {} tokens is cut to {limit}: {instruction}", tokens.len());
            tokens.truncate(limit);
        }
        let prefix = self.decoder().read_prefix(self.layout.prefix(&tokens).ids)?;
        if self.instructions.len() >= KEPT_INSTRUCTIONS {
            self.instructions.clear();
        }
        let known = Instruction { tokens, prefix };
        self.instructions.insert(instruction.to_owned(), known.clone());
        Ok(known)
    }

    /// A chunk for each observation under one instruction.
    fn chunks(&mut self, instruction: &str, seen: &[&Seen]) -> Result<Vec<ActionChunk>> {
        let Instruction { tokens, prefix } = self.instruction(instruction)?;
        let prompts = seen.iter().flat_map(|seen| &seen.frames).map(|frames| self.prompt(&tokens, frames));
        let prompts: Vec<Sample> = prompts.collect();
        let proprio = self.specification.control.proprio.as_ref().map(|space| {
            let values: Vec<f32> = seen.iter().flat_map(|seen| seen.proprio.repeat(seen.frames.len())).collect();
            let shape = [prompts.len(), space.states, space.names.len()];
            Tensor::from_data(TensorData::new(values, shape), &self.device)
        });
        let mut random = self.random.clone();
        let chunks = self.decoder().decode(&prompts, proprio, &prefix, &mut random);
        self.random = random;
        let width = self.specification.sizes.action;
        let to_chunk = |values: Vec<f32>| ActionChunk { actions: values.chunks(width).map(<[f32]>::to_vec).collect() };
        Ok(chunks?.into_iter().map(to_chunk).collect())
    }

    /// A chunk for each observation, or the reason why there is none.
    fn infer_each(&mut self, observations: &[Observation]) -> Vec<vipra_control::Result<ActionChunk>> {
        let seen = self.look(observations);
        // Prompts of one instruction share its keys and values, and are equally long, so that they need no padding.
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, observation) in observations.iter().enumerate().filter(|(index, _)| seen[*index].is_ok()) {
            groups.entry(&observation.instruction).or_default().push(index);
        }
        let mut answers: BTreeMap<usize, vipra_control::Result<ActionChunk>> = BTreeMap::new();
        for (instruction, members) in groups {
            let group: Vec<&Seen> = members.iter().filter_map(|index| seen[*index].as_ref().ok()).collect();
            match self.chunks(instruction, &group) {
                Ok(chunks) => answers.extend(members.into_iter().zip(chunks.into_iter().map(finite))),
                Err(error) => {
                    let failed = |index| (index, Err(vipra_control::Error::Policy(error.to_string().into())));
                    answers.extend(members.into_iter().map(failed));
                }
            }
        }
        let refused = seen.into_iter().enumerate().filter_map(|(index, seen)| Some((index, Err(seen.err()?))));
        answers.extend(refused);
        answers.into_values().collect()
    }
}

/// Refuses chunks with NaNs and infinities, which no robot can follow.
fn finite(chunk: ActionChunk) -> vipra_control::Result<ActionChunk> {
    match chunk.actions.iter().flatten().all(|value| value.is_finite()) {
        true => Ok(chunk),
        false => Err(vipra_control::Error::Policy("its actions are no numbers".into())),
    }
}

impl Policy for TrainedPolicy {
    fn describe(&self) -> &PolicyDescription {
        &self.specification.control
    }

    fn infer_batch(&mut self, observations: &[Observation]) -> Vec<vipra_control::Result<ActionChunk>> {
        let device = self.device.clone();
        on_a_worker(&device, || self.infer_each(observations))
    }

    fn reset(&mut self) {
        self.random = ChaCha8Rng::seed_from_u64(self.seed);
    }
}

impl From<Error> for vipra_control::Error {
    fn from(error: Error) -> Self {
        Self::Policy(Box::new(error))
    }
}

#[cfg(test)]
mod tests;
