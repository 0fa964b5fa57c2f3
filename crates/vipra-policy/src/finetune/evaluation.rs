//! Held-out chunks: errors of the policy's actions.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vipra_control::ActionSpace;
use vipra_data::clip::ClipAddress;
use vipra_tokenizer::TrainedTokenizer;
use vipra_train::Scalars;

use super::chunk::Chunk;
use super::data::{DemonstrationSample, Demonstrations};
use crate::frames::FrameAugmentation;
use crate::layout::Sample;
use crate::policy::ChunkDecoder;
use crate::{Error, Result};

/// Seed of the noise of held-out chunks: the same at every validation.
const VALIDATION_SEED: u64 = 0x7a11;

/// Held-out demonstrations.
pub(super) struct HeldOut {
    pub(super) demonstrations: Demonstrations,
    pub(super) addresses: Vec<ClipAddress>,
    /// Some of the demonstrations that are learned from, to compare with.
    pub(super) learned: Vec<ClipAddress>,
    /// Mean action of the demonstrations that are learned from, in the robot's units.
    pub(super) mean: Vec<f64>,
}

/// Measures a policy on demonstrations.
pub(super) struct ChunkEvaluator<'a> {
    pub(super) decoder: ChunkDecoder<'a>,
    pub(super) tokenizer: &'a TrainedTokenizer,
    /// Chunks that are predicted together.
    pub(super) rows: usize,
    /// Leading actions that are measured beside the whole chunk.
    pub(super) measured: usize,
    /// Mean action, in the robot's units.
    pub(super) mean: &'a [f64],
}

impl<'a> ChunkEvaluator<'a> {
    /// Compares predicted chunks, from the same noise each time, with the true ones.
    ///
    /// # Errors
    /// What is wrong with a sample; [`Error::Invalid`] for predicted actions that are no numbers.
    pub(super) fn measure(
        &self,
        demonstrations: &mut Demonstrations,
        addresses: &[ClipAddress],
    ) -> Result<ActionErrors<'a>> {
        let layout = self.decoder.layout;
        let mut errors = ActionErrors::new(&self.decoder.specification.control.action, self.measured);
        let mut random = ChaCha8Rng::seed_from_u64(VALIDATION_SEED);
        let prefix = self.decoder.read_prefix(vec![layout.ids.begin])?;
        let device = vipra_nn::device::of(self.decoder.model);
        for addresses in addresses.chunks(self.rows.max(1)) {
            let samples =
                addresses.iter().map(|at| demonstrations.sample(self.tokenizer, *at, FrameAugmentation::Plain));
            let samples = samples.collect::<Result<Vec<DemonstrationSample>>>()?;
            // Prompts are read together if they are laid out alike.
            for group in samples.chunk_by(|a, b| a.sample.kinds == b.sample.kinds) {
                let prompts: Vec<Sample> = group.iter().map(|one| layout.up_to_actions(&one.sample)).collect();
                let proprio = demonstrations.proprio(group, &device);
                let chunks = self.decoder.decode(&prompts, proprio, &prefix, &mut random)?;
                if chunks.iter().flatten().any(|value| !value.is_finite()) {
                    return Err(Error::Invalid("the policy's actions are no numbers".to_owned()));
                }
                group.iter().zip(chunks).for_each(|(one, chunk)| errors.add(&chunk, &one.chunk, self.mean));
            }
        }
        Ok(errors)
    }
}

/// Sums of squared errors of the policy, and of one that always predicts the mean action of the training data.
#[derive(Debug)]
pub(super) struct ActionErrors<'a> {
    space: &'a ActionSpace,
    measured: usize,
    /// Of the first actions, by dimension: of the policy, of the mean action.
    first: Vec<[f64; 2]>,
    /// Of whole chunks.
    all: Vec<[f64; 2]>,
}

impl<'a> ActionErrors<'a> {
    /// Empty sums, of the first `measured` actions and of whole chunks.
    pub(super) fn new(space: &'a ActionSpace, measured: usize) -> Self {
        let none = vec![[0.0; 2]; space.width()];
        Self { space, measured, first: none.clone(), all: none }
    }

    /// Compares a chunk, `[horizon·action_dim]`, with the true one. `mean` is the mean action, in the robot's units. Actions behind
    /// an episode's end are left out.
    pub(super) fn add(&mut self, predicted: &[f32], chunk: &Chunk, mean: &[f64]) {
        let width = self.space.width();
        for (step, is_real) in chunk.is_real.iter().enumerate() {
            if !is_real {
                continue;
            }
            for (dimension, mean) in mean.iter().enumerate() {
                let at = step * width + dimension;
                let scale = self.space.normalizer.scale[dimension];
                let truth = f64::from(chunk.actions[at]);
                let errors = [f64::from(predicted[at]) - truth, mean - truth].map(|error| (error / scale).powi(2));
                let add = |sums: &mut [f64; 2]| sums.iter_mut().zip(errors).for_each(|(sum, error)| *sum += error);
                add(&mut self.all[dimension]);
                if step < self.measured {
                    add(&mut self.first[dimension]);
                }
            }
        }
    }

    /// Squared errors divided by those of the mean action: of the first actions, of whole chunks, and of the first actions by
    /// dimension.
    pub(super) fn scalars(&self) -> Scalars {
        let total = |sums: &[[f64; 2]]| {
            let [model, mean] =
                sums.iter().fold([0.0; 2], |sum, dimension| [sum[0] + dimension[0], sum[1] + dimension[1]]);
            model / mean.max(f64::MIN_POSITIVE)
        };
        let mut scalars =
            vec![("first_actions_error".to_owned(), total(&self.first)), ("chunk_error".to_owned(), total(&self.all))];
        for (name, sums) in self.space.names.iter().zip(&self.first) {
            if sums[1] > 0.0 {
                scalars.push((format!("first_actions_error/{name}"), sums[0] / sums[1]));
            }
        }
        scalars
    }
}

#[cfg(test)]
mod tests {
    use vipra_control::{ActionKind, RotationForm};
    use vipra_data::normalize::Normalizer;

    use super::*;

    #[test]
    fn the_mean_action_scores_one_and_the_truth_zero() {
        let space = ActionSpace {
            kind: ActionKind::Absolute,
            rotation: RotationForm::None,
            gripper: None,
            names: vec!["x".into(), "y".into()],
            units: vec!["m".into(); 2],
            normalizer: Normalizer { offset: vec![1.0, 2.0], scale: vec![0.1, 10.0] },
        };
        let chunk = Chunk { actions: vec![1.1, 5.0, 1.3, -4.0, 9.0, 9.0], is_real: vec![true, true, false] };
        let mean = [1.0, 2.0];
        let mut errors = ActionErrors::new(&space, 1);
        errors.add(&[1.0, 2.0, 1.0, 2.0, 1.0, 2.0], &chunk, &mean);
        assert!(errors.scalars().iter().all(|(_, value)| (value - 1.0).abs() < 1e-6), "{:?}", errors.scalars());

        let mut errors = ActionErrors::new(&space, 1);
        errors.add(&chunk.actions, &chunk, &mean);
        assert!(errors.scalars().iter().all(|(_, value)| *value == 0.0));

        // One dimension wrong by its scale in the first action: 1 of (1 + 0.09).
        let mut errors = ActionErrors::new(&space, 1);
        errors.add(&[1.2, 5.0, 1.3, -4.0, 0.0, 0.0], &chunk, &mean);
        let first = errors.scalars()[0].1;
        assert!((first - 1.0 / 1.09).abs() < 1e-5, "{first}");
    }
}
