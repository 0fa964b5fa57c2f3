//! A model that goes on from several prompts, token by token.

use burn::tensor::Tensor;
use rand::Rng;

use super::Sampling;
use crate::layout::{Kind, Sample};
use crate::model::{ContinuousInputs, KvCache, PolicyModel, Run, Tokens, Transformer};
use crate::{Error, Result};

/// A model that reads tokens and scores the next ones.
pub(crate) trait AutoregressiveModel {
    /// Output of the last layer at the last of some tokens, `[rows, 1, dim]`. They come behind those of a cache, to which they
    /// are added.
    fn forward_last(&self, tokens: Tokens<'_>, cache: &mut KvCache) -> Result<Tensor<3>>;
    /// Logits of a kind's vocabulary for the next token, `[rows, 1, dim]` → `[rows, 1, vocabulary]`.
    fn next_logits(&self, kind: Kind, hidden: Tensor<3>) -> Result<Tensor<3>>;
}

impl AutoregressiveModel for Transformer {
    fn forward_last(&self, tokens: Tokens<'_>, cache: &mut KvCache) -> Result<Tensor<3>> {
        Ok(self.forward_cached_last(self.embed(tokens, &[])?, cache))
    }

    fn next_logits(&self, kind: Kind, hidden: Tensor<3>) -> Result<Tensor<3>> {
        self.logits(kind, hidden)
    }
}

impl AutoregressiveModel for PolicyModel {
    fn forward_last(&self, tokens: Tokens<'_>, cache: &mut KvCache) -> Result<Tensor<3>> {
        Ok(self.transformer.forward_cached_last(self.embed(tokens, &ContinuousInputs::default())?, cache))
    }

    fn next_logits(&self, kind: Kind, hidden: Tensor<3>) -> Result<Tensor<3>> {
        self.logits(kind, hidden)
    }
}

/// Rows of tokens that grow.
pub(crate) struct TokenGenerator<'a, M> {
    pub(crate) model: &'a M,
    pub(crate) cache: KvCache,
    pub(crate) rows: usize,
    /// Output of the last layer at the last token, `[rows, 1, dim]`.
    pub(crate) last_hidden: Tensor<3>,
    /// The last tokens, as far as they are of one kind.
    pub(crate) last_run: Option<Run>,
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
        let observed: Vec<u16> = prompts.iter().flat_map(|prompt| prompt.observed.iter().copied()).collect();
        for prompt in prompts {
            let missing = length - prompt.len();
            unseen.push(missing as u32);
            ids.extend(std::iter::repeat_n(padding, missing).chain(prompt.ids.iter().copied()));
            kinds.extend(std::iter::repeat_n(Kind::Text, missing).chain(prompt.kinds.iter().copied()));
        }
        let is_padded = unseen.iter().any(|missing| *missing > 0);
        let mut cache = KvCache::new(is_padded.then_some(unseen));
        let tokens = Tokens::new(prompts.len(), &ids, &kinds).seeing(&observed);
        let last_hidden = model.forward_last(tokens, &mut cache)?;
        Ok(Self { model, cache, rows: prompts.len(), last_hidden, last_run: Run::at_end(&kinds[..length]) })
    }

    /// Samples a token for each row, out of the first `codes` of its vocabulary, and appends it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for logits that are no numbers.
    pub(crate) fn sample(
        &mut self,
        kind: Kind,
        codes: usize,
        sampling: Sampling,
        random: &mut impl Rng,
    ) -> Result<Vec<u32>> {
        let logits = self.model.next_logits(kind, self.last_hidden.clone())?.narrow(2, 0, codes);
        let scores: Vec<f32> = logits.into_data().iter::<f32>().collect();
        if scores.iter().any(|score| score.is_nan()) {
            return Err(Error::Invalid("the model's scores are no numbers".to_owned()));
        }
        let sampled: Vec<u32> =
            scores.chunks_exact(codes).map(|row| sampling.sample_index(row, random) as u32).collect();
        self.append(&sampled, kind, &[])?;
        Ok(sampled)
    }

    /// Appends as many tokens to each row, row by row; `observed` are the codes of frames that are read merged.
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub(crate) fn append(&mut self, ids: &[u32], kind: Kind, observed: &[u16]) -> Result<()> {
        let new = ids.len() / self.rows;
        let kinds = vec![kind; ids.len()];
        let tokens = Tokens::new(self.rows, ids, &kinds).seeing(observed).behind(self.last_run);
        self.last_hidden = self.model.forward_last(tokens, &mut self.cache)?;
        self.last_run = Some(Run::and_then(self.last_run, kind, new));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{Sampling, TokenGenerator};
    use crate::layout::{Kind, Sample};
    use crate::model::{Tokens, TransformerConfig, Vocabularies};

    /// Frame tokens that are sampled one by one stand at the places where they stand in a row that is read as a whole.
    #[test]
    fn what_is_generated_token_by_token_is_what_is_read_as_a_whole() {
        let config =
            TransformerConfig { dim: 16, layers: 2, heads: 2, feed_forward: 8, ..TransformerConfig::default() };
        let vocabularies = Vocabularies { text: 6, vision: 6, latent_action: 3, frame_positions: 5, frame_grid: None };
        let device = Device::flex();
        device.seed(3);
        let model = config.init(&vocabularies, &device).unwrap().with_sinusoidal_frame_positions([2, 2]);
        let prompt = |text: usize| {
            let kinds = [vec![Kind::Text; text], vec![Kind::Vision; 5]].concat();
            let ids = (0..kinds.len()).map(|at| (at * 7 % 6) as u32).collect();
            Sample { ids, is_predicted: vec![false; kinds.len()], kinds, observed: Vec::new() }
        };
        let prompts = [prompt(3), prompt(1)];
        let mut generator = TokenGenerator::from_prompts(&model, &prompts, 0).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut generated = vec![Vec::new(); 2];
        for _ in 0..4 {
            let tokens = generator.sample(Kind::LatentState, 4, Sampling::default(), &mut random).unwrap();
            generated.iter_mut().zip(tokens).for_each(|(row, token)| row.push((token, Kind::LatentState)));
        }
        generator.append(&[5, 5], Kind::LatentState, &[]).unwrap();
        generator.append(&[1, 1], Kind::Text, &[]).unwrap();
        for (row, (prompt, mut rest)) in prompts.iter().zip(generated).enumerate() {
            rest.extend([(5, Kind::LatentState), (1, Kind::Text)]);
            let ids: Vec<u32> = prompt.ids.iter().copied().chain(rest.iter().map(|(id, _)| *id)).collect();
            let kinds: Vec<Kind> = prompt.kinds.iter().copied().chain(rest.iter().map(|(_, kind)| *kind)).collect();
            let whole = model.forward(Tokens::new(1, &ids, &kinds), None).unwrap();
            let expected = values(whole.narrow(1, ids.len() - 1, 1));
            let found = values(generator.last_hidden.clone().narrow(0, row, 1));
            assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-4), "{expected:?} against {found:?}");
        }
    }

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }
}
