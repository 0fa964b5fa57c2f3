//! From prompts to action chunks.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::specification::Specification;
use crate::flow_matching::SolverConfig;
use crate::generate::{Sampling, TokenGenerator};
use crate::layout::{Sample, SampleLayout, Template, TokenKind};
use crate::model::{ActionDecoder, ContinuousInputs, KvCache, PolicyModel, Tokens};
use crate::{Error, Result};

/// Makes action chunks by a policy.
#[derive(Clone, Copy)]
pub(crate) struct ChunkDecoder<'a> {
    /// In evaluation mode.
    pub model: &'a PolicyModel,
    /// What must be known of the policy.
    pub specification: &'a Specification,
    /// The layout of its samples.
    pub layout: &'a SampleLayout,
    /// Crops of each observation, whose prompts are adjacent and whose velocities, or probabilities of bins, are averaged.
    pub crops: usize,
}

/// The text that several prompts begin with, in a cache of one row.
#[derive(Debug, Clone)]
pub(crate) struct Prefix {
    ids: Vec<u32>,
    cache: KvCache,
    /// Output of the last layer at its last token, `[1, 1, dim]`.
    last_hidden: Tensor<3>,
}

impl ChunkDecoder<'_> {
    /// Reads the text that several prompts begin with, for [`decode`](Self::decode).
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn read_prefix(&self, ids: Vec<u32>) -> Result<Prefix> {
        let mut cache = KvCache::default();
        let kinds = vec![TokenKind::Text; ids.len()];
        let tokens = Tokens::new(1, &ids, &kinds);
        let last_hidden = self.model.forward_cached_last(tokens, &ContinuousInputs::default(), &mut cache)?;
        Ok(Prefix { ids, cache, last_hidden })
    }

    /// A chunk for each observation, in the robot's units. An observation has a prompt for each crop, and these are adjacent. All
    /// prompts are equally long and begin with what `prefix` has read.
    ///
    /// # Shapes
    /// `prompts`: `[observations·crops]`; `proprio`: `[observations·crops, states, state_dim]`, normalised → `[observations]`,
    /// `[horizon·action_dim]` each
    ///
    /// # Errors
    /// [`Error::Vocabulary`]; [`Error::Invalid`] for prompts that differ in their kinds or have another beginning.
    /// Chunks with NaNs are for the caller to refuse, because others may be fine.
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
                let noise = Tensor::from_data(TensorData::new(noise, shape), &generator.device());
                let chunks = flow_chunks(self.model, generator.cache(), self.crops, noise, *solver)?;
                let mut values: Vec<f64> = chunks.into_data().iter::<f64>().collect();
                control.action.normalizer.unnormalize(&mut values);
                values
            }
            ActionDecoder::Autoregressive => {
                self.sample_bins(&mut generator, prompts.len() / self.crops, *sampling, random)?
            }
        };
        Ok(values.chunks(per_chunk).map(|chunk| chunk.iter().map(|value| *value as f32).collect()).collect())
    }

    /// Reads prompts up to where the actions begin. A latent state in them is not read but imagined.
    fn read_prompts(
        &self,
        prompts: &[Sample],
        proprio: Option<Tensor<3>>,
        prefix: &Prefix,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<TokenGenerator<'_, PolicyModel>> {
        let done = prefix.ids.len();
        if prompts.iter().any(|prompt| prompt.len() <= done || !prompt.ids.starts_with(&prefix.ids)) {
            return Err(Error::Invalid("a prompt does not begin with what was read of it".to_owned()));
        }
        let rest = |prompt: &Sample| self.layout.template(prompt.part(done..prompt.len()));
        let rests: Vec<Template> = prompts.iter().map(rest).collect();
        let mut generator = TokenGenerator::behind(self.model, &prefix.cache, &prefix.last_hidden, prompts.len());
        generator.fill(&rests, proprio, sampling, random)?;
        Ok(generator)
    }

    /// Samples the bins of so many chunks, `[chunks·horizon·action_dim]` numbers in the robot's units.
    fn sample_bins(
        &self,
        generator: &mut TokenGenerator<'_, PolicyModel>,
        chunks: usize,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Vec<f64>> {
        let bins = self.specification.bins.as_ref();
        let bins = bins.ok_or_else(|| Error::Invalid("the bins of this policy are missing".to_owned()))?;
        let count = self.specification.control.horizon * bins.width();
        let mut sampled = vec![Vec::with_capacity(count); chunks];
        for position in 0..count {
            let choices = bins.count(position % bins.width());
            let tokens = generator.sample_shared(TokenKind::Action, choices, self.crops, sampling, random)?;
            sampled.iter_mut().zip(tokens).for_each(|(chunk, token)| chunk.push(token));
        }
        let decoded = sampled.iter().map(|chunk| bins.decode(chunk)).collect::<Result<Vec<_>>>()?;
        Ok(decoded.concat())
    }
}

/// Initial noise of chunks, of `shape`.
fn noise(shape: [usize; 3], solver: SolverConfig, random: &mut impl Rng) -> Vec<f32> {
    let spread = solver.noise_spread as f32;
    (0..shape.iter().product()).map(|_| spread * random.sample::<f32, _>(StandardNormal)).collect()
}

/// Integrates chunks from noise, behind conditions that were read once: each velocity evaluation runs the tokens of the chunk
/// alone. A chunk with several conditions, which are adjacent rows, follows the mean of their velocities.
///
/// # Shapes
/// `condition`: a cache of `rows·conditions` rows; `noise`: `[rows, horizon, action_dim]` → the same, normalised
///
/// # Errors
/// [`Error::Invalid`] for an autoregressive policy, or a solver without steps.
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

/// As [`flow_chunks`] without a cache, for comparison: each velocity evaluation reads the condition again.
///
/// # Shapes
/// `condition`: `[rows, tokens, dim]`, embedded; `first_seen`: as in [`Transformer::forward`], of condition and chunk; `noise`:
/// `[rows, horizon, action_dim]` → the same, normalised
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
