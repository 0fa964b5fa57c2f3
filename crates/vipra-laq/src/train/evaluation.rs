//! Held-out numbers: is motion rebuilt, and is the rebuilt frame nearer to the next frame or to the current one?
//!
//! A copy of the current frame is a good guess wherever nothing moves, which is nearly everywhere. Most numbers therefore
//! look only at what moves.

use burn::tensor::{Tensor, TensorData};
use vipra_train::Scalars;

use super::batch::Batch;
use super::codebook::usage_scalars;
use crate::quantizer::{CodeUsage, count_positions};
use crate::{Laq, Result};

/// A pixel moves if any of its colours changes by more than this, in [0, 1], from one frame to the next.
pub const MOTION_THRESHOLD: f32 = 0.1;
/// A transition moves if at least this share of its pixels does.
pub const MOVING_SHARE: f64 = 0.005;

/// Sums over transitions that are rebuilt from their quantised codes and the true past frames.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Use of the codes at each position of a transition.
    usage: Vec<CodeUsage>,
    transitions: u64,
    moving_transitions: u64,
    /// Moving transitions whose rebuilt frame is nearer to the next frame than to the current one.
    nearer: u64,
    all: Errors,
    moving: Errors,
    /// On moving pixels, rebuilt from the codes of another clip.
    moving_by_others: Errors,
    /// On moving pixels, rebuilt from the vectors that enter the quantiser.
    moving_unquantized: Errors,
    /// Code vectors of clips of this episode, `[1, transitions, code_length, code_dim]` each.
    this_episode: Vec<Tensor<4>>,
    /// The same of the previous episode.
    previous_episode: Vec<Tensor<4>>,
}

/// Sums of absolute errors over pixels and colours.
#[derive(Debug, Clone, Default)]
struct Errors {
    values: u64,
    rebuilt: f64,
    copied: f64,
}

impl Errors {
    fn add(&mut self, rebuilt: f32, copied: f32) {
        self.values += 1;
        self.rebuilt += f64::from(rebuilt);
        self.copied += f64::from(copied);
    }
}

impl Evaluation {
    /// An evaluation of no transitions yet.
    pub fn new(codes: usize, code_length: usize) -> Self {
        Self {
            usage: vec![CodeUsage::new(codes); code_length],
            transitions: 0,
            moving_transitions: 0,
            nearer: 0,
            all: Errors::default(),
            moving: Errors::default(),
            moving_by_others: Errors::default(),
            moving_unquantized: Errors::default(),
            this_episode: Vec::new(),
            previous_episode: Vec::new(),
        }
    }

    /// Says that the clips that follow are of another episode. A clip alone in its batch only gets codes of the episode
    /// before: clips of one episode look too much alike.
    pub fn next_episode(&mut self) {
        if !self.this_episode.is_empty() {
            self.previous_episode = std::mem::take(&mut self.this_episode);
        }
    }

    /// Adds a batch of clips; transitions to or from a repeated frame do not count.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) for clips of another frame size than the model's.
    pub fn add(&mut self, model: &Laq, batch: &Batch) -> Result<()> {
        let [clips, time, ..] = batch.clips.dims();
        let vectors = model.encode(batch.clips.clone())?;
        let inference = model.codes_of(vectors.clone(), clips);
        let past = batch.clips.clone().narrow(1, 0, time - 1);
        let unquantized = vectors.reshape(inference.latents.dims());
        let frames_from = |latents: Tensor<4>| -> Result<TensorData> {
            Ok(model.decode(past.clone(), latents)?.clamp(0.0, 1.0).into_data())
        };
        let others = self.codes_of_another_clip(&inference.latents).map(frames_from).transpose()?;
        self.remember(&inference.latents);
        let (rebuilt, unquantized) = (frames_from(inference.latents)?, frames_from(unquantized)?);
        let next = batch.clips.clone().narrow(1, 1, time - 1).into_data();
        let current = past.clone().into_data();
        let codes: Vec<i64> = inference.codes.into_data().iter::<i64>().collect();
        let mask: Vec<bool> = batch.mask.to_data().iter::<bool>().collect();
        let transitions = clips * (time - 1);
        let frame = |data: &TensorData, at: usize| -> Vec<f32> {
            let size = data.num_elements() / transitions;
            data.as_slice::<f32>().map_or_else(|_| Vec::new(), |all| all[at * size..(at + 1) * size].to_vec())
        };
        let code_length = codes.len() / transitions;
        for at in 0..transitions {
            let (clip, transition) = (at / (time - 1), at % (time - 1));
            if mask[clip * time + transition] && mask[clip * time + transition + 1] {
                count_positions(&mut self.usage, &codes[at * code_length..(at + 1) * code_length]);
                let by_others = others.as_ref().map(|others| frame(others, at));
                self.add_transition(
                    [&frame(&current, at), &frame(&next, at)],
                    [&frame(&rebuilt, at), &frame(&unquantized, at)],
                    by_others.as_deref(),
                );
            }
        }
        Ok(())
    }

    /// Code vectors of another clip in the place of each clip's own: those of the next clip of the batch, or of a clip of the
    /// previous episode where the batch has only one. If they rebuild frames as well, the codes say nothing. None while there
    /// is no other clip.
    ///
    /// # Shapes
    /// `[batch, transitions, code_length, code_dim]` → the same.
    fn codes_of_another_clip(&self, latents: &Tensor<4>) -> Option<Tensor<4>> {
        let [batch, ..] = latents.dims();
        if batch == 1 {
            let others = &self.previous_episode;
            return others.get(self.this_episode.len() % others.len().max(1)).cloned();
        }
        let next = |at: usize| latents.clone().narrow(0, (at + 1) % batch, 1);
        Some(Tensor::cat((0..batch).map(next).collect(), 0))
    }

    /// Keeps the code vectors of the last clip of a batch for clips of the next episode.
    fn remember(&mut self, latents: &Tensor<4>) {
        let [batch, ..] = latents.dims();
        self.this_episode.push(latents.clone().narrow(0, batch - 1, 1));
    }

    /// Adds one transition: the frames before and after it, and the latter as rebuilt from the transition's codes, from the
    /// vectors that enter the quantiser, and from the codes of another clip. Frames are `[3, height, width]` in [0, 1].
    fn add_transition(
        &mut self,
        [current, next]: [&[f32]; 2],
        [rebuilt, unquantized]: [&[f32]; 2],
        by_others: Option<&[f32]>,
    ) {
        let pixels = current.len() / 3;
        let (mut moving, mut to_next, mut to_current) = (0_u64, 0.0, 0.0);
        for pixel in 0..pixels {
            let channels = [pixel, pixel + pixels, pixel + 2 * pixels];
            let change = |at: usize| (next[at] - current[at]).abs();
            let moves = channels.iter().any(|at| change(*at) > MOTION_THRESHOLD);
            moving += u64::from(moves);
            for at in channels {
                let error = (rebuilt[at] - next[at]).abs();
                to_next += f64::from(error);
                to_current += f64::from((rebuilt[at] - current[at]).abs());
                self.all.add(error, change(at));
                if moves {
                    self.moving.add(error, change(at));
                    if let Some(by_others) = by_others {
                        self.moving_by_others.add((by_others[at] - next[at]).abs(), change(at));
                    }
                    self.moving_unquantized.add((unquantized[at] - next[at]).abs(), change(at));
                }
            }
        }
        self.transitions += 1;
        if moving as f64 >= MOVING_SHARE * pixels as f64 {
            self.moving_transitions += 1;
            self.nearer += u64::from(to_next < to_current);
        }
    }

    /// The numbers, by name.
    pub fn scalars(&self) -> Scalars {
        let ratio = |over: f64, under: f64| if under > 0.0 { over / under } else { f64::NAN };
        let mut scalars = vec![
            ("l1".to_owned(), ratio(self.all.rebuilt, self.all.values as f64)),
            ("l1_copy".to_owned(), ratio(self.all.copied, self.all.values as f64)),
            ("l1_moving".to_owned(), ratio(self.moving.rebuilt, self.moving.values as f64)),
            ("l1_moving_copy".to_owned(), ratio(self.moving.copied, self.moving.values as f64)),
            ("l1_moving_ratio".to_owned(), ratio(self.moving.rebuilt, self.moving.copied)),
            (
                "l1_moving_ratio_unquantized".to_owned(),
                ratio(self.moving_unquantized.rebuilt, self.moving_unquantized.copied),
            ),
            ("nearer_to_next".to_owned(), ratio(self.nearer as f64, self.moving_transitions as f64)),
            ("moving_transitions".to_owned(), self.moving_transitions as f64),
            ("transitions".to_owned(), self.transitions as f64),
        ];
        if self.moving_by_others.values > 0 {
            let of_others = ratio(self.moving_by_others.rebuilt, self.moving_by_others.copied);
            scalars.push(("l1_moving_ratio_of_other_codes".to_owned(), of_others));
        }
        scalars.extend(usage_scalars(&self.usage));
        scalars
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::Evaluation;

    #[test]
    fn only_what_moves_counts_as_moving() {
        let mut evaluation = Evaluation::new(8, 1);
        let current = vec![0.0; 3 * 16];
        let mut next = current.clone();
        next[5] = 1.0; // one pixel of sixteen, in red
        let mut halfway = current.clone();
        halfway[5] = 0.75;
        evaluation.add_transition([&current, &next], [&halfway, &next], Some(&current));
        evaluation.add_transition([&current, &next], [&current; 2], Some(&current));
        evaluation.add_transition([&current; 2], [&current; 2], None);
        let scalars = evaluation.scalars();
        let of = |name: &str| scalars.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(of("transitions"), 3.0);
        assert_eq!(of("moving_transitions"), 2.0);
        assert_eq!(of("nearer_to_next"), 0.5);
        assert!((of("l1_moving_ratio") - 1.25 / 2.0).abs() < 1e-9);
        assert_eq!(of("l1_moving_ratio_of_other_codes"), 1.0);
        assert_eq!(of("l1_moving_ratio_unquantized"), 0.5);
        assert!((of("l1_copy") - 2.0 / (3.0 * 48.0)).abs() < 1e-9);
    }

    /// The numbers in the place of those of each clip; each clip's code vectors are one number.
    fn others(evaluation: &mut Evaluation, clips: &[f32]) -> Option<Vec<f32>> {
        let latents = Tensor::<1>::from_floats(clips, &Device::flex()).reshape([clips.len(), 1, 1, 1]);
        let others = evaluation.codes_of_another_clip(&latents);
        evaluation.remember(&latents);
        Some(others?.into_data().iter::<f32>().collect())
    }

    #[test]
    fn the_codes_of_others_are_never_ones_own() {
        let mut evaluation = Evaluation::new(8, 1);
        assert_eq!(others(&mut evaluation, &[1.0]), None, "there is no other clip yet");
        assert_eq!(others(&mut evaluation, &[2.0]), None, "clips of one episode look alike");
        evaluation.next_episode();
        assert_eq!(others(&mut evaluation, &[3.0]), Some(vec![1.0]));
        assert_eq!(others(&mut evaluation, &[4.0]), Some(vec![2.0]));
        assert_eq!(others(&mut evaluation, &[5.0]), Some(vec![1.0]));
        assert_eq!(others(&mut evaluation, &[6.0, 7.0, 8.0]), Some(vec![7.0, 8.0, 6.0]));
    }
}
