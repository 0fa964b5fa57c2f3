//! Inputs that are masked at random while a policy learns.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layout::{Batch, TokenKind};

/// Shares of what is seen that are left out at random in each step of training. Few demonstrations are soon known by
/// heart, from a few tokens or from the states alone; what may be missing has to be found in several places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskingConfig {
    /// Share of the tokens of frames, each by itself (the release: 0).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub frame_tokens: f64,
    /// Share of samples whose states are left out, all of them together (the release: 0).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub states: f64,
    /// Share of the actions' tokens that the autoregressive decoder reads, each by itself (the release: 0). What is read of a
    /// chunk says the rest of it to a model that knows its demonstrations by heart, which then need not look.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub actions: f64,
}

impl MaskingConfig {
    /// The same for actions that are not read back, such as the noisy ones of flow matching.
    pub(super) fn without_actions(self) -> Self {
        Self { actions: 0.0, ..self }
    }

    /// Embedded tokens of a batch, zero where they are masked.
    ///
    /// # Shapes
    /// `[rows, length, dim]` → the same.
    pub(super) fn mask_embeddings(&self, embedded: Tensor<3>, batch: &Batch, random: &mut impl Rng) -> Tensor<3> {
        if *self == Self::default() {
            return embedded;
        }
        let shape = [batch.rows, batch.length, 1];
        let seen = TensorData::new(self.mask(batch, random), shape);
        let device = embedded.device().without_autodiff();
        embedded * Tensor::<3>::from_data(seen, &device)
    }

    /// 0 for what is masked and 1 for all else, `[rows, length]`.
    fn mask(&self, batch: &Batch, random: &mut impl Rng) -> Vec<f32> {
        let rows = batch.kinds.chunks(batch.length.max(1));
        let mut seen = Vec::with_capacity(batch.kinds.len());
        for row in rows {
            let masks_states = random.random_bool(self.states);
            seen.extend(row.iter().map(|kind| match kind {
                TokenKind::Vision if random.random_bool(self.frame_tokens) => 0.0,
                TokenKind::Proprio if masks_states => 0.0,
                TokenKind::Action if self.actions > 0.0 && random.random_bool(self.actions) => 0.0,
                _ => 1.0,
            }));
        }
        seen
    }

    /// Every fault as (key, what is wrong).
    pub(super) fn faults(&self) -> Vec<(String, String)> {
        [("frame_tokens", self.frame_tokens), ("states", self.states), ("actions", self.actions)]
            .into_iter()
            .filter(|(_, share)| !(0.0..=1.0).contains(share))
            .map(|(key, share)| (key.to_owned(), format!("{share} is not a share from 0 to 1")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn batch(rows: usize, kinds: &[TokenKind]) -> Batch {
        Batch {
            rows,
            length: kinds.len(),
            ids: vec![0; rows * kinds.len()],
            kinds: kinds.repeat(rows),
            unmerged_frame_tokens: Vec::new(),
            first_seen: None,
            targets: BTreeMap::new(),
            samples: rows,
            padding: 0,
        }
    }

    #[test]
    fn a_share_of_frame_tokens_is_masked_and_nothing_else() {
        let kinds = [[TokenKind::Text; 10], [TokenKind::Vision; 10], [TokenKind::Proprio; 10], [TokenKind::Action; 10]]
            .concat();
        let batch = batch(1000, &kinds);
        let masking = MaskingConfig { frame_tokens: 0.3, ..MaskingConfig::default() };
        let embedded = Tensor::<3>::ones([1000, 40, 2], &Device::flex());
        let found = masking.mask_embeddings(embedded, &batch, &mut ChaCha8Rng::seed_from_u64(1));
        let mean = |from: usize| found.clone().narrow(1, from, 10).mean().into_scalar::<f32>();
        assert!((mean(10) - 0.7).abs() < 0.02, "{}", mean(10));
        assert_eq!([mean(0), mean(20), mean(30)], [1.0; 3]);
    }

    #[test]
    fn states_of_a_sample_are_masked_together() {
        let batch = batch(1000, &[TokenKind::Text, TokenKind::Proprio, TokenKind::Proprio]);
        let masking = MaskingConfig { states: 0.4, ..MaskingConfig::default() };
        let seen = masking.mask(&batch, &mut ChaCha8Rng::seed_from_u64(2));
        assert!(seen.chunks(3).all(|row| row[0] == 1.0 && row[1] == row[2]));
        let share = seen.chunks(3).filter(|row| row[1] == 0.0).count() as f32 / 1000.0;
        assert!((share - 0.4).abs() < 0.05, "{share}");
    }

    #[test]
    fn a_share_of_the_actions_that_are_read_back_is_masked() {
        let batch = batch(1000, &[TokenKind::Vision, TokenKind::Action, TokenKind::Action]);
        let masking = MaskingConfig { actions: 0.6, ..MaskingConfig::default() };
        let seen = masking.mask(&batch, &mut ChaCha8Rng::seed_from_u64(3));
        assert!(seen.iter().step_by(3).all(|&seen| seen == 1.0));
        let masked = seen.iter().filter(|&&seen| seen == 0.0).count() as f32 / 2000.0;
        assert!((masked - 0.6).abs() < 0.05, "{masked}");
        let flow = masking.without_actions().mask(&batch, &mut ChaCha8Rng::seed_from_u64(3));
        assert!(flow.iter().all(|&seen| seen == 1.0));
    }

    #[test]
    fn shares_are_checked() {
        let masking = MaskingConfig { frame_tokens: 1.2, states: f64::NAN, actions: -0.1 };
        assert_eq!(masking.faults().len(), 3);
        assert!(MaskingConfig::default().faults().is_empty());
    }
}
