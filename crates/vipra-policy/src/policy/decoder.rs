//! From a condition to action chunks.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::specification::Specification;
use crate::flow::SolverConfig;
use crate::generate::{Sampling, Speaker};
use crate::layout::{Kind, Layout, Sample};
use crate::model::{ActionDecoder, Cache, Numbers, PolicyModel, Run, Tokens};
use crate::{Error, Result};

/// A policy that puts out chunks, and how.
#[derive(Clone, Copy)]
pub struct ChunkDecoder<'a> {
    /// In evaluation mode.
    pub model: &'a PolicyModel,
    /// What it is.
    pub specification: &'a Specification,
    /// The layout of its samples.
    pub layout: &'a Layout,
}

impl ChunkDecoder<'_> {
    /// Reads what several prompts begin with. See [`decode`](Self::decode).
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn read_prefix(&self, prefix: &[u32]) -> Result<Cache> {
        let mut cache = Cache::default();
        let kinds = vec![Kind::Text; prefix.len()];
        let tokens = Tokens::new(1, prefix, &kinds);
        let embedded = self.model.embed(tokens, &Numbers::default())?;
        self.model.transformer.read(embedded, &mut cache);
        Ok(cache)
    }

    /// A chunk for each prompt, in the robot's units, `[horizon·action]` each. All prompts are equally long and begin with
    /// what `prefix` has read.
    ///
    /// # Shapes
    /// `proprio`: `[prompts, states, state]`, normalised
    ///
    /// # Errors
    /// [`Error::Vocabulary`]; [`Error::Invalid`] for prompts of different lengths, or actions that are no numbers.
    pub fn decode(
        &self,
        prompts: &[Sample],
        proprio: Option<Tensor<3>>,
        prefix: &Cache,
        random: &mut impl Rng,
    ) -> Result<Vec<Vec<f32>>> {
        let Specification { control, sizes, solver, sampling, .. } = self.specification;
        let mut speaker = self.read_prompts(prompts, proprio, prefix, *sampling, random)?;
        let per_chunk = control.horizon * sizes.action;
        let values = match sizes.decoder {
            ActionDecoder::FlowMatching => {
                let shape = [prompts.len(), control.horizon, sizes.action];
                let noise = noise(shape, *solver, random);
                let noise = Tensor::from_data(TensorData::new(noise, shape), &speaker.last.device());
                let chunks = flow_chunks(self.model, &speaker.cache, noise, *solver)?;
                let mut values: Vec<f64> = chunks.into_data().iter::<f64>().collect();
                control.action.normalizer.unnormalize(&mut values);
                values
            }
            ActionDecoder::Autoregressive => self.choose_bins(&mut speaker, *sampling, random)?,
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::Invalid("the policy's actions are no numbers".to_owned()));
        }
        Ok(values.chunks(per_chunk).map(|chunk| chunk.iter().map(|value| *value as f32).collect()).collect())
    }

    /// Reads prompts up to where the actions begin. A latent state in them is not read but imagined.
    fn read_prompts(
        &self,
        prompts: &[Sample],
        mut proprio: Option<Tensor<3>>,
        prefix: &Cache,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Speaker<'_, PolicyModel>> {
        let (rows, done) = (prompts.len(), prefix.len());
        let kinds = prompts.first().map_or(&[][..], |prompt| &prompt.kinds);
        if kinds.len() <= done || prompts.iter().any(|prompt| prompt.kinds != *kinds) {
            return Err(Error::Invalid("prompts that are read together must be laid out alike".to_owned()));
        }
        let codes = self.specification.frames.codes;
        let imagined = self.specification.frames.length;
        let mut cache = if rows == 1 { prefix.clone() } else { prefix.repeat(rows) };
        let mut read = |cache: &mut Cache, from: usize, to: usize| -> Result<Tensor<3>> {
            let ids: Vec<u32> = prompts.iter().flat_map(|prompt| prompt.ids[from..to].iter().copied()).collect();
            let all_kinds: Vec<Kind> = (0..rows).flat_map(|_| kinds[from..to].iter().copied()).collect();
            let has_states = kinds[from..to].contains(&Kind::Proprio);
            let proprio = if has_states { proprio.take() } else { None };
            let sees = kinds[from..to].contains(&Kind::Vision);
            let seen = prompts.iter().filter(|_| sees).flat_map(|prompt| prompt.observed.iter().copied());
            let observed: Vec<u16> = seen.collect();
            let tokens = Tokens::new(rows, &ids, &all_kinds).seeing(&observed).behind(Run::at_end(&kinds[..from]));
            let embedded = self.model.embed(tokens, &Numbers { proprio, actions: None })?;
            let hidden = self.model.transformer.read(embedded, cache);
            Ok(hidden.narrow(1, to - from - 1, 1))
        };
        let state = kinds.iter().position(|kind| *kind == Kind::LatentState);
        let Some(state) = state else {
            let last = read(&mut cache, done, kinds.len())?;
            return Ok(Speaker { model: self.model, cache, rows, last, last_run: None });
        };
        let last = read(&mut cache, done, state)?;
        let last_run = Run::at_end(&kinds[..state]);
        let mut speaker = Speaker { model: self.model, cache, rows, last, last_run };
        for _ in 0..imagined {
            speaker.choose(Kind::LatentState, codes, sampling, random)?;
        }
        speaker.last = read(&mut speaker.cache, state + imagined, kinds.len())?;
        speaker.last_run = None;
        Ok(speaker)
    }

    fn choose_bins(
        &self,
        speaker: &mut Speaker<'_, PolicyModel>,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Vec<f64>> {
        let bins = self.specification.bins.as_ref();
        let bins = bins.ok_or_else(|| Error::Invalid("the bins of this policy are missing".to_owned()))?;
        let count = self.specification.control.horizon * bins.width();
        let mut chosen = vec![Vec::with_capacity(count); speaker.rows];
        for position in 0..count {
            let choices = bins.count(position % bins.width());
            let tokens = speaker.choose(Kind::Action, choices, sampling, random)?;
            chosen.iter_mut().zip(tokens).for_each(|(chunk, token)| chunk.push(token));
        }
        let decoded = chosen.iter().map(|chunk| bins.decode(chunk)).collect::<Result<Vec<_>>>()?;
        Ok(decoded.concat())
    }
}

fn noise(shape: [usize; 3], solver: SolverConfig, random: &mut impl Rng) -> Vec<f32> {
    let spread = solver.noise_spread as f32;
    (0..shape.iter().product()).map(|_| spread * random.sample::<f32, _>(StandardNormal)).collect()
}

/// Chunks that flow from noise, behind a condition that was read once: each look runs the tokens of the chunk alone.
///
/// # Shapes
/// `noise`: `[rows, horizon, action]` → the same, normalised
///
/// # Errors
/// [`Error::Invalid`] if the policy does not flow, or without steps.
pub fn flow_chunks(
    model: &PolicyModel,
    condition: &Cache,
    noise: Tensor<3>,
    solver: SolverConfig,
) -> Result<Tensor<3>> {
    let flow = model.flow()?;
    let rows = noise.dims()[0];
    solver.walk(noise, |place, time| {
        let embedded = flow.encoder.forward(place, &vec![time; rows]);
        Ok(flow.velocity(model.transformer.glance(embedded, condition)))
    })
}

/// The same without a cache: each look reads everything again. For comparison.
///
/// # Shapes
/// `condition`: `[rows, tokens, dim]`, embedded; `first_seen`: as of [`Transformer::forward`], for condition and chunk
///
/// [`Transformer::forward`]: crate::model::Transformer::forward
///
/// # Errors
/// Those of [`flow_chunks`].
pub fn flow_chunks_naively(
    model: &PolicyModel,
    condition: &Tensor<3>,
    first_seen: Option<&[u32]>,
    noise: Tensor<3>,
    solver: SolverConfig,
) -> Result<Tensor<3>> {
    let flow = model.flow()?;
    let [rows, horizon, _] = noise.dims();
    let read = condition.dims()[1];
    solver.walk(noise, |place, time| {
        let embedded = flow.encoder.forward(place, &vec![time; rows]);
        let all = Tensor::cat(vec![condition.clone(), embedded], 1);
        let hidden = model.transformer.forward_embedded(all, first_seen.map(<[u32]>::to_vec));
        Ok(flow.velocity(hidden.narrow(1, read, horizon)))
    })
}
