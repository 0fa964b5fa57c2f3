//! From a condition to action chunks.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::specification::Specification;
use crate::flow_matching::SolverConfig;
use crate::generate::{Sampling, TokenGenerator};
use crate::layout::{Kind, Layout, Sample};
use crate::model::{ActionDecoder, ContinuousInputs, KvCache, PolicyModel, Run, Tokens};
use crate::{Error, Result};

/// A policy that puts out chunks, and how.
#[derive(Clone, Copy)]
pub(crate) struct ChunkDecoder<'a> {
    /// In evaluation mode.
    pub model: &'a PolicyModel,
    /// What it is.
    pub specification: &'a Specification,
    /// The layout of its samples.
    pub layout: &'a Layout,
    /// Crops of each observation. Their prompts are adjacent; their velocities are averaged.
    pub crops: usize,
}

/// Text that several prompts begin with, in a cache.
#[derive(Debug, Clone)]
pub(crate) struct Prefix {
    ids: Vec<u32>,
    cache: KvCache,
}

impl ChunkDecoder<'_> {
    /// Reads text that several prompts begin with. See [`decode`](Self::decode).
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn read_prefix(&self, ids: Vec<u32>) -> Result<Prefix> {
        let mut cache = KvCache::default();
        let kinds = vec![Kind::Text; ids.len()];
        let tokens = Tokens::new(1, &ids, &kinds);
        let embedded = self.model.embed(tokens, &ContinuousInputs::default())?;
        self.model.transformer.forward_cached_last(embedded, &mut cache);
        Ok(Prefix { ids, cache })
    }

    /// A chunk for each observation, in the robot's units, `[horizon·action]` each. Its prompts, one a crop, stand side by
    /// side. All prompts are equally long and begin with what `prefix` has read.
    ///
    /// # Shapes
    /// `prompts`: `[observations·crops]`; `proprio`: `[observations·crops, states, state]`, normalised
    ///
    /// # Errors
    /// [`Error::Vocabulary`]; [`Error::Invalid`] for prompts of different lengths or another beginning, or several crops of
    /// which bins are chosen. A chunk that is no numbers is the caller's to refuse: others may be fine.
    pub fn decode(
        &self,
        prompts: &[Sample],
        proprio: Option<Tensor<3>>,
        prefix: &Prefix,
        random: &mut impl Rng,
    ) -> Result<Vec<Vec<f32>>> {
        let Specification { control, sizes, solver, sampling, .. } = self.specification;
        let mut generator = self.read_prompts(prompts, proprio, prefix, *sampling, random)?;
        let per_chunk = control.horizon * sizes.action;
        let values = match sizes.decoder {
            ActionDecoder::FlowMatching => {
                let shape = [prompts.len() / self.crops, control.horizon, sizes.action];
                let noise = noise(shape, *solver, random);
                let noise = Tensor::from_data(TensorData::new(noise, shape), &generator.last_hidden.device());
                let chunks = flow_chunks(self.model, &generator.cache, self.crops, noise, *solver)?;
                let mut values: Vec<f64> = chunks.into_data().iter::<f64>().collect();
                control.action.normalizer.unnormalize(&mut values);
                values
            }
            ActionDecoder::Autoregressive if self.crops > 1 => {
                return Err(Error::Invalid("bins that were sampled for several crops cannot be averaged".to_owned()));
            }
            ActionDecoder::Autoregressive => self.sample_bins(&mut generator, *sampling, random)?,
        };
        Ok(values.chunks(per_chunk).map(|chunk| chunk.iter().map(|value| *value as f32).collect()).collect())
    }

    /// Reads prompts up to where the actions begin. A latent state in them is not read but imagined.
    fn read_prompts(
        &self,
        prompts: &[Sample],
        mut proprio: Option<Tensor<3>>,
        prefix: &Prefix,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<TokenGenerator<'_, PolicyModel>> {
        let (rows, done) = (prompts.len(), prefix.ids.len());
        let kinds = prompts.first().map_or(&[][..], |prompt| &prompt.kinds);
        if kinds.len() <= done || prompts.iter().any(|prompt| prompt.kinds != *kinds) {
            return Err(Error::Invalid("prompts that are read together must be laid out alike".to_owned()));
        }
        if prompts.iter().any(|prompt| !prompt.ids.starts_with(&prefix.ids)) {
            return Err(Error::Invalid("a prompt does not begin with what was read of it".to_owned()));
        }
        let codes = self.specification.frames.codes;
        let imagined = self.specification.frames.length;
        let mut cache = if rows == 1 { prefix.cache.clone() } else { prefix.cache.repeat(rows) };
        let mut read = |cache: &mut KvCache, from: usize, to: usize| -> Result<Tensor<3>> {
            let ids: Vec<u32> = prompts.iter().flat_map(|prompt| prompt.ids[from..to].iter().copied()).collect();
            let all_kinds: Vec<Kind> = (0..rows).flat_map(|_| kinds[from..to].iter().copied()).collect();
            let has_states = kinds[from..to].contains(&Kind::Proprio);
            let proprio = if has_states { proprio.take() } else { None };
            let sees = kinds[from..to].contains(&Kind::Vision);
            let seen = prompts.iter().filter(|_| sees).flat_map(|prompt| prompt.observed.iter().copied());
            let observed: Vec<u16> = seen.collect();
            let tokens = Tokens::new(rows, &ids, &all_kinds).seeing(&observed).behind(Run::at_end(&kinds[..from]));
            let embedded = self.model.embed(tokens, &ContinuousInputs { proprio, actions: None })?;
            Ok(self.model.transformer.forward_cached_last(embedded, cache))
        };
        let state = kinds.iter().position(|kind| *kind == Kind::LatentState);
        let Some(state) = state else {
            let last_hidden = read(&mut cache, done, kinds.len())?;
            return Ok(TokenGenerator { model: self.model, cache, rows, last_hidden, last_run: None });
        };
        let last_hidden = read(&mut cache, done, state)?;
        let last_run = Run::at_end(&kinds[..state]);
        let mut generator = TokenGenerator { model: self.model, cache, rows, last_hidden, last_run };
        for _ in 0..imagined {
            generator.sample(Kind::LatentState, codes, sampling, random)?;
        }
        generator.last_hidden = read(&mut generator.cache, state + imagined, kinds.len())?;
        generator.last_run = None;
        Ok(generator)
    }

    fn sample_bins(
        &self,
        generator: &mut TokenGenerator<'_, PolicyModel>,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Vec<f64>> {
        let bins = self.specification.bins.as_ref();
        let bins = bins.ok_or_else(|| Error::Invalid("the bins of this policy are missing".to_owned()))?;
        let count = self.specification.control.horizon * bins.width();
        let mut sampled = vec![Vec::with_capacity(count); generator.rows];
        for position in 0..count {
            let choices = bins.count(position % bins.width());
            let tokens = generator.sample(Kind::Action, choices, sampling, random)?;
            sampled.iter_mut().zip(tokens).for_each(|(chunk, token)| chunk.push(token));
        }
        let decoded = sampled.iter().map(|chunk| bins.decode(chunk)).collect::<Result<Vec<_>>>()?;
        Ok(decoded.concat())
    }
}

fn noise(shape: [usize; 3], solver: SolverConfig, random: &mut impl Rng) -> Vec<f32> {
    let spread = solver.noise_spread as f32;
    (0..shape.iter().product()).map(|_| spread * random.sample::<f32, _>(StandardNormal)).collect()
}

/// Chunks that flow from noise, behind conditions that were read once: each velocity evaluation runs the tokens of the chunk
/// alone. With several conditions a chunk, which are adjacent, it flows by the mean of their velocities.
///
/// # Shapes
/// `condition`: `[rows·conditions]`; `noise`: `[rows, horizon, action]` → the same, normalised
///
/// # Errors
/// [`Error::Invalid`] if the policy does not flow, or without steps.
pub fn flow_chunks(
    model: &PolicyModel,
    condition: &KvCache,
    conditions: usize,
    noise: Tensor<3>,
    solver: SolverConfig,
) -> Result<Tensor<3>> {
    let flow = model.flow()?;
    let [rows, horizon, action] = noise.dims();
    solver.integrate(noise, |point, time| {
        let at_each = point.reshape([rows, 1, horizon * action]).repeat_dim(1, conditions);
        let at_each = at_each.reshape([rows * conditions, horizon, action]);
        let embedded = flow.encoder.forward(at_each, &vec![time; rows * conditions]);
        let velocity = flow.velocity(model.transformer.forward_cached_readonly(embedded, condition));
        let by_row = velocity.reshape([rows, conditions, horizon * action]);
        Ok(by_row.mean_dim(1).reshape([rows, horizon, action]))
    })
}

/// The same without a cache: each velocity evaluation reads everything again. For comparison.
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
    solver.integrate(noise, |point, time| {
        let embedded = flow.encoder.forward(point, &vec![time; rows]);
        let all = Tensor::cat(vec![condition.clone(), embedded], 1);
        let hidden = model.transformer.forward_embedded(all, first_seen.map(<[u32]>::to_vec));
        Ok(flow.velocity(hidden.narrow(1, read, horizon)))
    })
}

#[cfg(test)]
mod tests;
