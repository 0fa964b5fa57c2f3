//! A model that continues several prompts, token by token.

use std::borrow::Cow;
use std::iter::repeat_n;
use std::ops::Range;

use burn::tensor::{Device, Tensor};
use rand::Rng;

use super::Sampling;
use super::autoregressive_model::AutoregressiveModel;
use crate::layout::{Sample, Template, TokenKind};
use crate::model::{ContinuousInputs, KvCache, Tokens};
use crate::{Error, Result};

/// Rows of tokens that grow.
pub(crate) struct TokenGenerator<'a, M> {
    model: &'a M,
    cache: KvCache,
    rows: usize,
    /// Output of the last layer at each row's last token, `[rows, 1, dim]`.
    last_hidden: Tensor<3>,
}

impl<'a, M: AutoregressiveModel> TokenGenerator<'a, M> {
    /// Reads prompts, the shorter ones padded on the left.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a prompt; [`Error::Vocabulary`].
    pub(crate) fn from_prompts(model: &'a M, prompts: &[Sample], padding: u32) -> Result<Self> {
        let length = prompts.iter().map(Sample::len).max().filter(|length| *length > 0);
        let length = length.ok_or_else(|| Error::Invalid("there is no prompt to go on from".to_owned()))?;
        let (mut ids, mut kinds, mut unseen) = (Vec::new(), Vec::new(), Vec::new());
        for prompt in prompts {
            let missing = length - prompt.len();
            unseen.push(missing as u32);
            ids.extend(repeat_n(padding, missing).chain(prompt.ids.iter().copied()));
            kinds.extend(repeat_n(TokenKind::Text, missing).chain(prompt.kinds.iter().copied()));
        }
        let unmerged = unmerged_of(prompts);
        let is_padded = unseen.iter().any(|missing| *missing > 0);
        let mut cache = KvCache::new(is_padded.then_some(unseen));
        let tokens = Tokens::new(prompts.len(), &ids, &kinds).with_unmerged(&unmerged);
        let last_hidden = model.forward_last(tokens, &ContinuousInputs::default(), &mut cache)?;
        Ok(Self { model, cache, rows: prompts.len(), last_hidden })
    }

    /// Continues what the model has read in one row, in each of `rows` rows. `last_hidden` is its output there, `[1, 1, dim]`.
    pub(crate) fn behind(model: &'a M, cache: &KvCache, last_hidden: &Tensor<3>, rows: usize) -> Self {
        Self { model, cache: cache.repeat(rows), rows, last_hidden: last_hidden.clone().repeat_dim(0, rows) }
    }

    /// Continues each row with one of the templates, which must agree in their kinds: reads what is known and samples what is
    /// predicted, in the order of the tokens. `proprio` is read where the templates have states. Returns the complete samples.
    ///
    /// # Shapes
    /// `templates`: `[rows]`; `proprio`: `[rows, states, state_dim]`, normalised → `[rows]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for templates that differ in their kinds, or logits that are no numbers; [`Error::Vocabulary`].
    pub(crate) fn fill(
        &mut self,
        templates: &[Template],
        mut proprio: Option<Tensor<3>>,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Vec<Sample>> {
        let alike = templates.first().filter(|first| templates.iter().all(|other| first.is_like(other)));
        let Some(Template { sample, predicted }) = alike.filter(|_| templates.len() == self.rows) else {
            return Err(Error::Invalid("prompts that are read together must be laid out alike".to_owned()));
        };
        let mut samples: Vec<Sample> = templates.iter().map(|template| template.sample.clone()).collect();
        let mut next = 0;
        for run in predicted {
            self.read(&samples, next..run.positions.start, &mut proprio)?;
            for position in run.positions.clone() {
                let tokens = self.sample(run.kind, run.codes, sampling, random)?;
                samples.iter_mut().zip(tokens).for_each(|(sample, token)| sample.ids[position] = token);
            }
            next = run.positions.end;
        }
        self.read(&samples, next..sample.len(), &mut proprio)?;
        Ok(samples)
    }

    /// Samples a token for each row, out of the first `codes` of its vocabulary, and appends it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for logits that are no numbers.
    fn sample(&mut self, kind: TokenKind, codes: usize, sampling: Sampling, random: &mut impl Rng) -> Result<Vec<u32>> {
        self.sample_shared(kind, codes, 1, sampling, random)
    }

    /// As `sample`, but each `rows_per_token` adjacent rows get the same token, by the mean of their probabilities.
    ///
    /// # Shapes
    /// → `[rows/rows_per_token]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for logits that are no numbers.
    pub(crate) fn sample_shared(
        &mut self,
        kind: TokenKind,
        codes: usize,
        rows_per_token: usize,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Vec<u32>> {
        let logits = self.model.next_logits(kind, self.last_hidden.clone())?.narrow(2, 0, codes);
        let scores: Vec<f32> = logits.into_data().iter::<f32>().collect();
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(Error::Invalid("the model's scores are no numbers".to_owned()));
        }
        let groups = scores.chunks_exact(codes * rows_per_token);
        let sampled: Vec<u32> =
            groups.map(|rows| sampling.sample_index(&mean_scores(rows, codes), random) as u32).collect();
        let appended: Vec<u32> = sampled.iter().flat_map(|token| repeat_n(*token, rows_per_token)).collect();
        let kinds = vec![kind; appended.len()];
        self.append(Tokens::new(self.rows, &appended, &kinds), &ContinuousInputs::default())?;
        Ok(sampled)
    }

    /// Keys and values of all rows.
    pub(crate) fn cache(&self) -> &KvCache {
        &self.cache
    }

    /// Where the model computes.
    pub(crate) fn device(&self) -> Device {
        self.last_hidden.device()
    }

    /// Appends to each row the tokens at some positions of its sample, if there are any.
    fn read(&mut self, samples: &[Sample], positions: Range<usize>, proprio: &mut Option<Tensor<3>>) -> Result<()> {
        if positions.is_empty() {
            return Ok(());
        }
        let parts: Vec<Sample> = samples.iter().map(|sample| sample.part(positions.clone())).collect();
        let ids: Vec<u32> = parts.iter().flat_map(|part| part.ids.iter().copied()).collect();
        let kinds: Vec<TokenKind> = parts.iter().flat_map(|part| part.kinds.iter().copied()).collect();
        let unmerged = unmerged_of(&parts);
        let proprio = if kinds.contains(&TokenKind::Proprio) { proprio.take() } else { None };
        let tokens = Tokens::new(self.rows, &ids, &kinds).with_unmerged(&unmerged);
        self.append(tokens, &ContinuousInputs { proprio, actions: None })
    }

    fn append(&mut self, tokens: Tokens<'_>, numbers: &ContinuousInputs<'_>) -> Result<()> {
        self.last_hidden = self.model.forward_last(tokens, numbers, &mut self.cache)?;
        Ok(())
    }
}

/// Logits of the mean of several rows' probabilities.
///
/// # Shapes
/// `scores`: `[rows·codes]` → `[codes]`
fn mean_scores(scores: &[f32], codes: usize) -> Cow<'_, [f32]> {
    if scores.len() == codes {
        return Cow::Borrowed(scores);
    }
    let mut summed = vec![0.0_f64; codes];
    for row in scores.chunks_exact(codes) {
        let highest = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
        let shares: Vec<f64> = row.iter().map(|score| (f64::from(*score) - highest).exp()).collect();
        let total: f64 = shares.iter().sum();
        summed.iter_mut().zip(&shares).for_each(|(sum, share)| *sum += share / total);
    }
    let rows = (scores.len() / codes) as f64;
    summed.into_iter().map(|sum| (sum / rows).ln() as f32).collect()
}

/// Tokens of the observed frames of samples that are to be merged, sample by sample.
fn unmerged_of(samples: &[Sample]) -> Vec<u16> {
    samples.iter().flat_map(|sample| sample.unmerged_frame_tokens.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{Sampling, TokenGenerator, mean_scores};
    use crate::fixtures::{small_transformer, small_vocabularies, transformer_config, values};
    use crate::layout::{CodebookSizes, Sample, SpecialIds, Template, TokenKind};
    use crate::model::{Tokens, Transformer, Vocabularies};

    /// Codes of frames; then come the ends of a frame and of the last frame.
    const CODES: usize = 4;
    const END_OF_VISION: u32 = 5;

    /// A model that tells the places of frames of 2×2 tokens apart.
    fn model() -> Transformer {
        let vocabularies = Vocabularies { frame_positions: 5, ..small_vocabularies() };
        let model = small_transformer(&transformer_config(), &vocabularies, &Device::flex());
        model.with_sinusoidal_frame_positions([2, 2])
    }

    fn sample(kinds: Vec<TokenKind>, ids: Vec<u32>) -> Sample {
        Sample { is_predicted: vec![false; ids.len()], ids, kinds, ..Sample::default() }
    }

    /// So many words and an observed frame.
    fn prompt(words: usize) -> Sample {
        let kinds = [vec![TokenKind::Text; words], vec![TokenKind::Vision; 5]].concat();
        let ids = (0..kinds.len()).map(|at| (at * 7 % 6) as u32).collect();
        sample(kinds, ids)
    }

    /// The frame ahead, which is predicted, its end, and a word.
    fn continuation() -> Template {
        let kinds = [vec![TokenKind::LatentState; 5], vec![TokenKind::Text]].concat();
        let ids = SpecialIds::behind(CodebookSizes { frames: CODES, latent_actions: 2 });
        Template::new(sample(kinds, vec![0, 0, 0, 0, END_OF_VISION, 1]), ids)
    }

    fn generator<'a>(model: &'a Transformer, prompts: &[Sample]) -> TokenGenerator<'a, Transformer> {
        TokenGenerator::from_prompts(model, prompts, 0).unwrap()
    }

    /// Frame tokens that are sampled one by one stand at the places where they stand in a row that is read as a whole.
    #[test]
    fn generation_token_by_token_matches_a_pass_over_the_whole() {
        let model = model();
        let prompts = [prompt(3), prompt(1)];
        let mut generator = generator(&model, &prompts);
        let templates = vec![continuation(); 2];
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let filled = generator.fill(&templates, None, Sampling::default(), &mut random).unwrap();
        for (row, (prompt, filled)) in prompts.iter().zip(&filled).enumerate() {
            let ids = [&prompt.ids[..], &filled.ids[..]].concat();
            let kinds = [&prompt.kinds[..], &filled.kinds[..]].concat();
            let whole = model.forward(Tokens::new(1, &ids, &kinds), None).unwrap();
            let expected = values(whole.clone().narrow(1, ids.len() - 1, 1));
            let found = values(generator.last_hidden.clone().narrow(0, row, 1));
            assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-4), "{expected:?} against {found:?}");
            for at in 0..CODES {
                let before = whole.clone().narrow(1, prompt.len() + at - 1, 1);
                let scores = values(model.logits(TokenKind::LatentState, before).unwrap().narrow(2, 0, CODES));
                let best = scores.iter().copied().fold(f32::MIN, f32::max);
                assert!(best - scores[filled.ids[at] as usize] < 1e-3, "token {at} of row {row} is not the likeliest");
            }
        }
    }

    #[test]
    fn scores_of_several_rows_are_those_of_their_mean_probability() {
        let scores = [0.9_f32, 0.1, 0.2, 0.8].map(f32::ln);
        // Whatever is added to a row changes none of its probabilities.
        let shifted = [scores[0], scores[1], scores[2] + 1000.0, scores[3] + 1000.0];
        for scores in [scores, shifted] {
            let mean: Vec<f32> = mean_scores(&scores, 2).iter().map(|score| score.exp()).collect();
            assert!((mean[0] - 0.55).abs() < 1e-4 && (mean[1] - 0.45).abs() < 1e-4, "{mean:?}");
        }
        assert_eq!(*mean_scores(&shifted[2..], 2), shifted[2..], "one row stays as it is");
    }

    #[test]
    fn templates_that_differ_in_their_kinds_are_refused() {
        let model = model();
        let mut generator = generator(&model, &[prompt(1), prompt(1)]);
        let mut other = continuation();
        other.sample.kinds[5] = TokenKind::Vision;
        let mut random = ChaCha8Rng::seed_from_u64(0);
        for templates in [vec![continuation(), other], vec![continuation()], Vec::new()] {
            let error = generator.fill(&templates, None, Sampling::default(), &mut random).unwrap_err();
            assert!(error.to_string().contains("laid out alike"), "{error}");
        }
    }
}
