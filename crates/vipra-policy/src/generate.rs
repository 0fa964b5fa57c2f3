//! Tokens one after the other: the frame ahead, and the latent actions that lead there.

use burn::tensor::Tensor;
use rand::Rng;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layout::{Field, Kind, Sample};
use crate::model::{Cache, Numbers, PolicyModel, Run, Tokens, Transformer};
use crate::trained::TrainedTransformer;
use crate::{Error, Result};

/// How a token is chosen from its scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// By what scores are divided before they become shares. 0 is greedy: the highest score wins.
    #[schemars(range(min = 0.0))]
    pub temperature: f64,
    /// Only so many of the highest scores have a chance; all of them at 0.
    pub top_k: usize,
}

impl Default for Sampling {
    /// Greedy. (The release always draws, among 50.)
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0 }
    }
}

impl Sampling {
    /// Chooses an index.
    pub fn choose(&self, scores: &[f32], random: &mut impl Rng) -> usize {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Of equal scores the first one wins.
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        if self.temperature <= 0.0 || order.is_empty() {
            return order.first().copied().unwrap_or(0);
        }
        if self.top_k > 0 {
            order.truncate(self.top_k);
        }
        let highest = f64::from(scores[order[0]]);
        let shares: Vec<f64> =
            order.iter().map(|at| ((f64::from(scores[*at]) - highest) / self.temperature).exp()).collect();
        let mut rest = random.random::<f64>() * shares.iter().sum::<f64>();
        for (at, share) in order.iter().zip(&shares) {
            rest -= share;
            if rest < 0.0 {
                return *at;
            }
        }
        order[order.len() - 1]
    }
}

/// What the model imagines from one observation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imagined {
    /// Tokens of the frame ahead; empty if the model does not predict it.
    pub latent_state: Vec<u16>,
    /// Codes of the transitions, transition by transition; empty if the model does not predict them.
    pub latent_actions: Vec<u8>,
}

/// Imagines what follows each prompt: everything that the model's fields predict. Tokens that can only be one, such as
/// markers and ends of frames, are given and not chosen.
///
/// # Errors
/// [`Error::Invalid`] without prompts or with fields that predict nothing; [`Error::Vocabulary`].
pub fn imagine(
    trained: &TrainedTransformer,
    prompts: &[Sample],
    sampling: Sampling,
    random: &mut impl Rng,
) -> Result<Vec<Imagined>> {
    let (description, layout) = (&trained.description, trained.layout()?);
    let mut speaker = Speaker::read(&trained.model, prompts, layout.ids.begin)?;
    let mut imagined = vec![Imagined::default(); prompts.len()];
    let predicted = layout.fields.iter().filter(|field| field.is_predicted && field.kind != Kind::Text);
    let predicted: Vec<&Field> = predicted.collect();
    for (index, field) in predicted.iter().enumerate() {
        let markers = layout.markers_before(field.kind);
        // The first field's marker is part of the prompt.
        if index > 0 && !markers.is_empty() {
            speaker.give(&markers, Kind::Text)?;
        }
        match field.kind {
            Kind::LatentState => {
                for _ in 0..description.frames.length {
                    let tokens = speaker.choose(field.kind, description.frames.codes, sampling, random)?;
                    imagined.iter_mut().zip(tokens).for_each(|(one, token)| one.latent_state.push(token as u16));
                }
                speaker.give(&[layout.ids.end_of_vision], field.kind)?;
                speaker.give(&layout.markers.vision[1], Kind::Text)?;
            }
            Kind::LatentAction => {
                for _ in 0..description.transitions {
                    for _ in 0..description.latent_actions.length {
                        let codes = speaker.choose(field.kind, description.latent_actions.codes, sampling, random)?;
                        imagined.iter_mut().zip(codes).for_each(|(one, code)| one.latent_actions.push(code as u8));
                    }
                    speaker.give(&[layout.ids.end_of_latent_action], field.kind)?;
                }
            }
            kind => return Err(Error::Invalid(format!("tokens of kind {kind} are not imagined"))),
        }
    }
    Ok(imagined)
}

/// A model that reads tokens and scores the next ones.
pub(crate) trait Speaks {
    /// Reads tokens behind those of a cache, and says of the last one, `[rows, 1, dim]`, what comes next.
    fn read(&self, tokens: Tokens<'_>, cache: &mut Cache) -> Result<Tensor<3>>;
    /// Scores of a kind's vocabulary.
    fn score(&self, kind: Kind, hidden: Tensor<3>) -> Result<Tensor<3>>;
}

impl Speaks for Transformer {
    fn read(&self, tokens: Tokens<'_>, cache: &mut Cache) -> Result<Tensor<3>> {
        Ok(Self::read(self, self.embed(tokens, &[])?, cache))
    }

    fn score(&self, kind: Kind, hidden: Tensor<3>) -> Result<Tensor<3>> {
        self.logits(kind, hidden)
    }
}

impl Speaks for PolicyModel {
    fn read(&self, tokens: Tokens<'_>, cache: &mut Cache) -> Result<Tensor<3>> {
        Ok(self.transformer.read(self.embed(tokens, &Numbers::default())?, cache))
    }

    fn score(&self, kind: Kind, hidden: Tensor<3>) -> Result<Tensor<3>> {
        self.logits(kind, hidden)
    }
}

/// A model in the middle of several sentences.
pub(crate) struct Speaker<'a, M> {
    pub(crate) model: &'a M,
    pub(crate) cache: Cache,
    pub(crate) rows: usize,
    /// What the last layer says about the last token, `[rows, 1, dim]`.
    pub(crate) last: Tensor<3>,
    /// The last tokens.
    pub(crate) last_run: Option<Run>,
}

impl<'a, M: Speaks> Speaker<'a, M> {
    /// Reads prompts, the shorter ones padded on the left.
    fn read(model: &'a M, prompts: &[Sample], padding: u32) -> Result<Self> {
        let length = prompts.iter().map(Sample::len).max().filter(|length| *length > 0);
        let length = length.ok_or_else(|| Error::Invalid("there is no prompt to go on from".to_owned()))?;
        let (mut ids, mut kinds, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
        let observed: Vec<u16> = prompts.iter().flat_map(|prompt| prompt.observed.iter().copied()).collect();
        for prompt in prompts {
            let missing = length - prompt.len();
            unseen.push(missing as u32);
            ids.extend(std::iter::repeat_n(padding, missing).chain(prompt.ids.iter().copied()));
            kinds.extend(std::iter::repeat_n(Kind::Text, missing).chain(prompt.kinds.iter().copied()));
        }
        let is_padded = unseen.iter().any(|missing| *missing > 0);
        let mut cache = Cache::new(is_padded.then_some(unseen));
        let tokens = Tokens::new(prompts.len(), &ids, &kinds).seeing(&observed);
        let last = model.read(tokens, &mut cache)?;
        Ok(Self { model, cache, rows: prompts.len(), last, last_run: Run::at_end(&kinds[..length]) })
    }

    /// The same tokens for all rows.
    fn give(&mut self, tokens: &[u32], kind: Kind) -> Result<()> {
        let ids: Vec<u32> = (0..self.rows).flat_map(|_| tokens.iter().copied()).collect();
        self.push(&ids, kind)
    }

    /// One token for each row, out of the first `codes` of its vocabulary.
    pub(crate) fn choose(
        &mut self,
        kind: Kind,
        codes: usize,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Vec<u32>> {
        let logits = self.model.score(kind, self.last.clone())?.narrow(2, 0, codes);
        let scores: Vec<f32> = logits.into_data().iter::<f32>().collect();
        if scores.iter().any(|score| score.is_nan()) {
            return Err(Error::Invalid("the model's scores are no numbers".to_owned()));
        }
        let chosen: Vec<u32> = scores.chunks_exact(codes).map(|row| sampling.choose(row, random) as u32).collect();
        self.push(&chosen, kind)?;
        Ok(chosen)
    }

    fn push(&mut self, ids: &[u32], kind: Kind) -> Result<()> {
        let new = ids.len() / self.rows;
        let kinds = vec![kind; ids.len()];
        let tokens = Tokens::new(self.rows, ids, &kinds).behind(self.last_run);
        self.last = self.model.read(tokens, &mut self.cache)?;
        self.last_run = Some(Run::and_then(self.last_run, kind, new));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{Sampling, Speaker};
    use crate::layout::{Kind, Sample};
    use crate::model::{Tokens, TransformerConfig, Vocabularies};

    /// Frame tokens that are chosen one by one stand at the places where they stand in a row that is read as a whole.
    #[test]
    fn what_is_said_token_by_token_is_what_is_read_as_a_whole() {
        let config =
            TransformerConfig { dim: 16, layers: 2, heads: 2, feed_forward: 8, ..TransformerConfig::default() };
        let vocabularies = Vocabularies { text: 6, vision: 6, latent_action: 3, frame_positions: 5, frame_grid: None };
        let device = Device::flex();
        device.seed(3);
        let model = config.init(&vocabularies, &device).unwrap().with_waves_over_frames([2, 2]);
        let prompt = |text: usize| {
            let kinds = [vec![Kind::Text; text], vec![Kind::Vision; 5]].concat();
            let ids = (0..kinds.len()).map(|at| (at * 7 % 6) as u32).collect();
            Sample { ids, is_predicted: vec![false; kinds.len()], kinds, observed: Vec::new() }
        };
        let prompts = [prompt(3), prompt(1)];
        let mut speaker = Speaker::read(&model, &prompts, 0).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut said = vec![Vec::new(); 2];
        for _ in 0..4 {
            let tokens = speaker.choose(Kind::LatentState, 4, Sampling::default(), &mut random).unwrap();
            said.iter_mut().zip(tokens).for_each(|(row, token)| row.push((token, Kind::LatentState)));
        }
        speaker.give(&[5], Kind::LatentState).unwrap();
        speaker.give(&[1], Kind::Text).unwrap();
        for (row, (prompt, mut rest)) in prompts.iter().zip(said).enumerate() {
            rest.extend([(5, Kind::LatentState), (1, Kind::Text)]);
            let ids: Vec<u32> = prompt.ids.iter().copied().chain(rest.iter().map(|(id, _)| *id)).collect();
            let kinds: Vec<Kind> = prompt.kinds.iter().copied().chain(rest.iter().map(|(_, kind)| *kind)).collect();
            let whole = model.forward(Tokens::new(1, &ids, &kinds), None).unwrap();
            let expected = values(whole.narrow(1, ids.len() - 1, 1));
            let found = values(speaker.last.clone().narrow(0, row, 1));
            assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-4), "{expected:?} against {found:?}");
        }
    }

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn greedy_is_greedy_and_top_k_forgets_the_rest() {
        let scores = [0.1, 2.0, 2.0, -1.0, 1.9];
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let greedy = Sampling::default();
        assert!((0..50).all(|_| greedy.choose(&scores, &mut random) == 1));
        let drawn = Sampling { temperature: 1.0, top_k: 3 };
        let mut counts = [0; 5];
        (0..3000).for_each(|_| counts[drawn.choose(&scores, &mut random)] += 1);
        assert_eq!((counts[0], counts[3]), (0, 0));
        // Shares e^2 : e^2 : e^1.9.
        assert!((counts[1] as f64 / 3000.0 - 0.3443).abs() < 0.03, "{counts:?}");
        assert!((counts[4] as f64 / 3000.0 - 0.3115).abs() < 0.03, "{counts:?}");
    }
}
