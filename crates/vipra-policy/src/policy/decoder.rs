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
    /// Prompts that say the same of other crops: what they say is averaged.
    pub crops: usize,
}

/// Text that several prompts begin with, read.
#[derive(Debug, Clone)]
pub struct Prefix {
    ids: Vec<u32>,
    cache: Cache,
}

impl ChunkDecoder<'_> {
    /// Reads text that several prompts begin with. See [`decode`](Self::decode).
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn read_prefix(&self, ids: Vec<u32>) -> Result<Prefix> {
        let mut cache = Cache::default();
        let kinds = vec![Kind::Text; ids.len()];
        let tokens = Tokens::new(1, &ids, &kinds);
        let embedded = self.model.embed(tokens, &Numbers::default())?;
        self.model.transformer.read(embedded, &mut cache);
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
        let mut speaker = self.read_prompts(prompts, proprio, prefix, *sampling, random)?;
        let per_chunk = control.horizon * sizes.action;
        let values = match sizes.decoder {
            ActionDecoder::FlowMatching => {
                let shape = [prompts.len() / self.crops, control.horizon, sizes.action];
                let noise = noise(shape, *solver, random);
                let noise = Tensor::from_data(TensorData::new(noise, shape), &speaker.last.device());
                let chunks = flow_chunks(self.model, &speaker.cache, self.crops, noise, *solver)?;
                let mut values: Vec<f64> = chunks.into_data().iter::<f64>().collect();
                control.action.normalizer.unnormalize(&mut values);
                values
            }
            ActionDecoder::Autoregressive if self.crops > 1 => {
                return Err(Error::Invalid("bins that were chosen for several crops cannot be averaged".to_owned()));
            }
            ActionDecoder::Autoregressive => self.choose_bins(&mut speaker, *sampling, random)?,
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
    ) -> Result<Speaker<'_, PolicyModel>> {
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
            Ok(self.model.transformer.read(embedded, cache))
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

/// Chunks that flow from noise, behind conditions that were read once: each look runs the tokens of the chunk alone. With
/// several conditions a chunk, which stand side by side, it flows by the mean of their velocities.
///
/// # Shapes
/// `condition`: `[rows·conditions]`; `noise`: `[rows, horizon, action]` → the same, normalised
///
/// # Errors
/// [`Error::Invalid`] if the policy does not flow, or without steps.
pub fn flow_chunks(
    model: &PolicyModel,
    condition: &Cache,
    conditions: usize,
    noise: Tensor<3>,
    solver: SolverConfig,
) -> Result<Tensor<3>> {
    let flow = model.flow()?;
    let [rows, horizon, action] = noise.dims();
    solver.walk(noise, |place, time| {
        let at_each = place.reshape([rows, 1, horizon * action]).repeat_dim(1, conditions);
        let at_each = at_each.reshape([rows * conditions, horizon, action]);
        let embedded = flow.encoder.forward(at_each, &vec![time; rows * conditions]);
        let velocity = flow.velocity(model.transformer.glance(embedded, condition));
        let by_row = velocity.reshape([rows, conditions, horizon * action]);
        Ok(by_row.mean_dim(1).reshape([rows, horizon, action]))
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

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::model::shake::Shake;
    use crate::model::{ActionSizes, NewParameters, TransformerConfig, Vocabularies};

    const ROWS: usize = 2;
    const WORDS: usize = 3;

    fn model(device: &Device) -> PolicyModel {
        let config =
            TransformerConfig { dim: 8, layers: 2, heads: 2, feed_forward: 16, ..TransformerConfig::default() };
        let vocabularies = Vocabularies { text: 9, vision: 6, latent_action: 3, frame_positions: 0, frame_grid: None };
        let sizes = ActionSizes { decoder: ActionDecoder::FlowMatching, action: 3, proprio: None, bins: 0 };
        device.seed(1);
        let transformer = config.init(&vocabularies, device).unwrap();
        sizes.init(transformer, &NewParameters::default(), device).map(&mut Shake).valid()
    }

    /// Conditions of `WORDS` words each.
    fn read(model: &PolicyModel, ids: &[u32]) -> Cache {
        let kinds = vec![Kind::Text; ids.len()];
        let tokens = Tokens::new(ids.len() / WORDS, ids, &kinds);
        let mut cache = Cache::default();
        model.transformer.read(model.embed(tokens, &Numbers::default()).unwrap(), &mut cache);
        cache
    }

    #[test]
    fn a_chunk_flows_by_the_mean_of_its_conditions() {
        let device = Device::flex();
        let model = model(&device);
        let noise = Tensor::random([ROWS, 4, 3], Distribution::Normal(0.0, 1.0), &device);
        let solver = SolverConfig { steps: 1, ..SolverConfig::default() };
        let flow = |ids: &[u32], conditions, solver| {
            flow_chunks(&model, &read(&model, ids), conditions, noise.clone(), solver).unwrap()
        };
        let (here, there) = ([1, 2, 3, 4, 5, 6], [8, 7, 6, 5, 4, 3]);
        let side_by_side = [1, 2, 3, 8, 7, 6, 4, 5, 6, 5, 4, 3];
        let mean = (flow(&here, 1, solver) + flow(&there, 1, solver)) / 2.0;
        let apart = (flow(&here, 1, solver) - mean.clone()).abs().max().into_scalar::<f32>();
        assert!(apart > 1e-3, "the conditions must differ: {apart}");
        let difference = (flow(&side_by_side, 2, solver) - mean).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");

        let twice = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6];
        let heun = SolverConfig { method: crate::flow::Method::Heun, steps: 3, ..solver };
        let difference = (flow(&twice, 2, heun) - flow(&here, 1, heun)).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");
    }
}
